"""The cursors of member_level: the position of a page or a stream."""

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from services.runtime.cursor_text import CursorError, decoded, encoded, position
from services.user_state.record import MAX_VERSION
from services.user_state.search import IndexedUser

_WATCH, _AT_RISK, _EXPORT, _LIST, _SEARCH = "W", "R", "E", "L", "S"
_AT_RISK_LAYOUT = struct.Struct(">HII")
_EXPORT_LAYOUT = struct.Struct(">H")
_LIST_LAYOUT = struct.Struct(">II")
_SEARCH_LAYOUT = struct.Struct(">IHIBI")


class AtRiskCursor(NamedTuple):
    """The last member on a page."""

    bucket: int
    level: int
    points: int
    user: str


class ExportCursor(NamedTuple):
    """The last member in a message."""

    bucket: int
    user: str


class ListCursor(NamedTuple):
    """The last member on a page of a level."""

    level: int
    points: int
    user: str


class SearchCursor(NamedTuple):
    """Where a search for a prefix continues."""

    prefix: str
    bucket: int
    after: IndexedUser


def watch_cursor(versions: Sequence[int]) -> str:
    """A cursor with the last version sent of each bucket."""
    return encoded(_WATCH, zlib.compress(struct.pack(f">{len(versions)}Q", *versions), 1))


def read_watch_cursor(text: str, buckets: int) -> list[int]:
    """Raises CursorError."""
    layout = struct.Struct(f">{buckets}Q")
    unpacking = zlib.decompressobj()
    try:
        # The limit keeps a forged cursor from unpacking to gigabytes.
        packed = unpacking.decompress(decoded(_WATCH, text), layout.size + 1)
    except zlib.error as error:
        raise CursorError from error
    if len(packed) != layout.size or not unpacking.eof or unpacking.unused_data:
        raise CursorError
    versions = list(layout.unpack(packed))
    if max(versions) > MAX_VERSION:
        raise CursorError
    return versions


def at_risk_cursor(cursor: AtRiskCursor) -> str:
    bucket, level, points, user = cursor
    return encoded(_AT_RISK, _AT_RISK_LAYOUT.pack(bucket, level, points) + user.encode())


def read_at_risk_cursor(text: str) -> AtRiskCursor:
    """Raises CursorError."""
    (bucket, level, points), user = position(_AT_RISK_LAYOUT, decoded(_AT_RISK, text))
    return AtRiskCursor(bucket, level, points, user)


def export_cursor(cursor: ExportCursor) -> str:
    return encoded(_EXPORT, _EXPORT_LAYOUT.pack(cursor.bucket) + cursor.user.encode())


def read_export_cursor(text: str) -> ExportCursor:
    """Raises CursorError."""
    (bucket,), user = position(_EXPORT_LAYOUT, decoded(_EXPORT, text))
    return ExportCursor(bucket, user)


def list_cursor(cursor: ListCursor) -> str:
    return encoded(_LIST, _LIST_LAYOUT.pack(*cursor[:2]) + cursor.user.encode())


def read_list_cursor(text: str) -> ListCursor:
    """Raises CursorError."""
    (level, points), user = position(_LIST_LAYOUT, decoded(_LIST, text))
    return ListCursor(level, points, user)


def search_cursor(cursor: SearchCursor) -> str:
    level, manual, points, user = cursor.after
    prefix = zlib.crc32(cursor.prefix.encode())
    packed = _SEARCH_LAYOUT.pack(prefix, cursor.bucket, level, manual, points)
    return encoded(_SEARCH, packed + user.encode())


def read_search_cursor(text: str, prefix: str) -> SearchCursor:
    """Raises CursorError, also for a cursor of a search for another prefix."""
    numbers, user = position(_SEARCH_LAYOUT, decoded(_SEARCH, text))
    searched, bucket, level, manual, points = numbers
    if searched != zlib.crc32(prefix.encode()):
        raise CursorError
    return SearchCursor(prefix, bucket, IndexedUser(level, bool(manual), points, user))
