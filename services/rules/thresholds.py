"""The rules as the scripts of user_state read them: which points earn a level or keep it."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

THRESHOLD = struct.Struct(">III")
DEMOTION_THRESHOLD = struct.Struct(">II")


class LevelThreshold(NamedTuple):
    """A level, the lowest points that earn it, and the id of its rule."""

    level: int
    down_point: int
    rule: int


class DemotionThreshold(NamedTuple):
    """A demotion takes an earned level from users with fewer than `points`."""

    level: int
    points: int


@dataclass(frozen=True)
class LevelThresholds:
    """All levels that points can earn, in rising order, under one version of the rules."""

    version: int
    levels: Sequence[LevelThreshold]

    @cached_property
    def arguments(self) -> Mapping[str, bytes | int]:
        """The arguments of a script."""
        packed = b"".join(THRESHOLD.pack(*each) for each in self.levels)
        return {"thresholds": packed, "rules_version": self.version}
