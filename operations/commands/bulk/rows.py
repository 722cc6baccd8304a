"""What the lines of NDJSON and of CSV have in common: the fields, and their plain values. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from levelgate.member.v1.member_bulk_pb2 import UserRow

INT32 = (-(2**31), 2**31 - 1)
INT64 = (-(2**63), 2**63 - 1)

# The times that are nearly all: the short way is worth it for these only.
_WHOLE_SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
# datetime ends there, and so does RFC 3339.
_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_800


class WrongLineError(Exception):
    """The line is no row; the text says which field and why."""


Reader = Callable[[str], UserRow]
"""Takes a line without its end. Raises WrongLineError."""

Writer = Callable[[UserRow], str]
"""Gives a line with its end."""


def number(field: str, text: str, bounds: tuple[int, int]) -> int:
    """Raises WrongLineError."""
    digits = text.removeprefix("-")
    # int() would take blanks, underscores and the digits of other scripts.
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise WrongLineError(f"{field}: must be a whole number; got {text[:40]!r}")
    value = int(text)
    if not bounds[0] <= value <= bounds[1]:
        raise WrongLineError(f"{field}: must be {bounds[0]}..{bounds[1]}; got {value}")
    return value


def quick_time(text: str) -> Timestamp | None:
    """The usual form of a time, five times as fast as protobuf; None: ask protobuf."""
    if _WHOLE_SECOND.fullmatch(text) is None:
        return None
    try:
        return Timestamp(seconds=int(datetime.fromisoformat(text).timestamp()))
    except ValueError:
        return None


def time(field: str, text: str) -> Timestamp:
    """Any RFC 3339 time. Raises WrongLineError."""
    quick = quick_time(text)
    if quick is not None:
        return quick
    value = Timestamp()
    try:
        value.FromJsonString(text)
    except (ValueError, OverflowError) as error:
        raise WrongLineError(
            f"{field}: must be a time as 2026-11-21T08:00:00Z; got {text[:40]!r}"
        ) from error
    return value


def time_text(value: Timestamp) -> str:
    """RFC 3339, in UTC."""
    if value.nanos or not _YEAR_1 <= value.seconds < _YEAR_10000:
        return value.ToJsonString()
    return datetime.fromtimestamp(value.seconds, UTC).isoformat().removesuffix("+00:00") + "Z"
