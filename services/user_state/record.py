"""The packed record of a user, big-endian, written by the scripts of this package.

Format 1 ends with the partner's id. Format 2 puts the length of that id before it and the history
after it. This module and record.lua read both formats; the scripts write format 2.

A new field needs a new format: raise FORMAT in services/store/layout.py, extend LAYOUT here, and
let `unpack` here and `read` and `save` in record.lua handle the new format beside the old ones.
"""

import math
import struct
from enum import IntEnum
from typing import NamedTuple

from services.store import layout

FORMAT = layout.FORMAT
# format, source, level, points, protected_until, version. The scripts get these layouts from here.
HEAD = struct.Struct(">BBIIIQ")
PARTNER_LENGTH = struct.Struct(">H")
# The head and the partner's length.
LAYOUT = struct.Struct(">BBIIIQH")

# The highest version of a user, in records, requests, replies and cursors. Numbers in Lua and in
# JSON clients are exact up to here.
MAX_VERSION = 2**53 - 1
# The highest version in an import. The bucket continues from there, one version for each change,
# and no realistic number of changes uses up the other half of the range.
MAX_IMPORTED_VERSION = 2**52
# The latest end of a protection, by the width of the record's field: it is in the year 2106.
MAX_PROTECTED_UNTIL = 2**32 - 1

SECONDS_PER_DAY = 86_400


class Source(IntEnum):
    """How a user got the level: earned by points or set manually."""

    EARNED = 0
    MANUAL = 1


_SOURCES = tuple(Source)


class UnknownFormatError(Exception):
    """The record was written by a newer service."""


class Record(NamedTuple):
    """A user's level and the reason for it. Times are seconds since 1970, 0 for never."""

    level: int
    points: int
    source: Source
    protected_until: int
    version: int
    partner: str
    history: bytes = b""
    """The last changes, newest first; history.py reads them."""

    def days_left(self, now: float) -> int:
        """Days that a manual level is still protected, rounded up; 0 for an earned level."""
        if self.source is not Source.MANUAL:
            return 0
        return max(0, math.ceil((self.protected_until - now) / SECONDS_PER_DAY))


def unpack(packed: bytes) -> Record:
    """Reads a packed record. Raises UnknownFormatError for a format that is not known."""
    written = packed[0] if packed else 0
    if written == FORMAT:
        _, source, level, points, protected_until, version, length = LAYOUT.unpack_from(packed)
        end = LAYOUT.size + length
        partner, history = packed[LAYOUT.size : end].decode(), packed[end:]
    elif written == 1:
        _, source, level, points, protected_until, version = HEAD.unpack_from(packed)
        partner, history = packed[HEAD.size :].decode(), b""
    else:
        raise UnknownFormatError(f"format {written or 'none'}, known: 1 to {FORMAT}")
    return Record(level, points, _SOURCES[source], protected_until, version, partner, history)
