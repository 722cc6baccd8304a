"""The packed record of a user, big-endian, written by the scripts of this folder.

Format 2 is format 1 with the partner's length before it and the history behind it. A service of
the next format reads this one: record.lua and this module know both, and write the newest.
"""

import math
import struct
from enum import IntEnum
from typing import NamedTuple

FORMAT = 2
# format, source, level, points, protected_until, version; then the partner's id.
# The same layout stands in record.lua; a test holds the two together.
_FIRST_LAYOUT = struct.Struct(">BBIIIQ")
# The same and the partner's length.
_LAYOUT = struct.Struct(">BBIIIQH")

# The versions of users, in records, requests, replies and cursors alike. Lua's numbers, like those
# of JSON clients, are exact up to here.
MAX_VERSION = 2**53 - 1
# What an import may bring. The bucket's later versions go on from there, one for each change: no
# number of changes uses up the other half of the range.
MAX_IMPORTED_VERSION = 2**52
# The ends of protections: the width of the record's field, which ends in 2106.
MAX_PROTECTED_UNTIL = 2**32 - 1

SECONDS_PER_DAY = 86_400


class Source(IntEnum):
    """Where a level comes from."""

    EARNED = 0
    MANUAL = 1


_SOURCES = tuple(Source)


class UnknownFormatError(Exception):
    """The record was written by a newer service."""


class Record(NamedTuple):
    """A user's level and why it holds it. Times are seconds since 1970, 0 for never."""

    level: int
    points: int
    source: Source
    protected_until: int
    version: int
    partner: str
    history: bytes = b""
    """The last changes, newest first; history.py reads them."""

    def days_left(self, now: float) -> int:
        """Days that a level set by hand is still protected, rounded up; 0 for an earned one."""
        if self.source is not Source.MANUAL:
            return 0
        return max(0, math.ceil((self.protected_until - now) / SECONDS_PER_DAY))


def unpack(packed: bytes) -> Record:
    """Reads what a script wrote. Raises UnknownFormatError for another format."""
    written = packed[0] if packed else 0
    if written == FORMAT:
        _, source, level, points, protected_until, version, length = _LAYOUT.unpack_from(packed)
        end = _LAYOUT.size + length
        partner, history = packed[_LAYOUT.size : end].decode(), packed[end:]
    elif written == 1:
        _, source, level, points, protected_until, version = _FIRST_LAYOUT.unpack_from(packed)
        partner, history = packed[_FIRST_LAYOUT.size :].decode(), b""
    else:
        raise UnknownFormatError(f"format {written or 'none'}, known: 1 to {FORMAT}")
    return Record(level, points, _SOURCES[source], protected_until, version, partner, history)
