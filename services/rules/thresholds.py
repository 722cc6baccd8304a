"""The rules as the scripts of this folder need them: which level how many points earn."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

_STEP = struct.Struct(">III")


class Step(NamedTuple):
    """A level, the fewest points that keep it, and the rule that says so."""

    level: int
    floor: int
    rule: int


class Fall(NamedTuple):
    """Users with fewer points than `below` lose this level in a demotion, if they earned it."""

    level: int
    below: int


@dataclass(frozen=True)
class Steps:
    """All levels that points can earn, by rising level, under one version of the rules."""

    version: int
    steps: Sequence[Step]

    @cached_property
    def packed(self) -> bytes:
        return b"".join(_STEP.pack(*step) for step in self.steps)
