"""The packed record of a user: format 1, big-endian, written by the scripts of this folder."""

import math
import struct
from dataclasses import dataclass
from enum import IntEnum

FORMAT = 1
# format, source, level, points, protected_until, version; then the partner's id to the end.
# The same layout stands in record.lua; a test holds the two together.
_LAYOUT = struct.Struct(">BBIIIQ")

SECONDS_PER_DAY = 86_400


class Source(IntEnum):
    """Where a level comes from."""

    EARNED = 0
    MANUAL = 1


class UnknownFormatError(Exception):
    """The record was written by a newer service."""


@dataclass(frozen=True)
class Record:
    """A user's level and why it holds it. Times are seconds since 1970, 0 for never."""

    level: int
    points: int
    source: Source
    protected_until: int
    version: int
    partner: str

    def days_left(self, now: float) -> int:
        """Days that a level set by hand is still protected, rounded up; 0 for an earned one."""
        if self.source is not Source.MANUAL:
            return 0
        return max(0, math.ceil((self.protected_until - now) / SECONDS_PER_DAY))


def unpack(packed: bytes) -> Record:
    """Reads what a script wrote. Raises UnknownFormatError for another format."""
    if packed[:1] != bytes([FORMAT]):
        raise UnknownFormatError(f"format {packed[0] if packed else 'none'}, known: {FORMAT}")
    _, source, level, points, protected_until, version = _LAYOUT.unpack_from(packed)
    partner = packed[_LAYOUT.size :].decode()
    return Record(level, points, Source(source), protected_until, version, partner)
