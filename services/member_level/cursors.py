"""The cursors of member_level: the position of a page or a stream."""

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from services.runtime.cursor_text import CursorError, decoded, encoded, position
from services.user_state.record import MAX_VERSION

_WATCH, _AT_RISK, _EXPORT = "W", "R", "E"
_AT_RISK_LAYOUT = struct.Struct(">HII")
_EXPORT_LAYOUT = struct.Struct(">H")


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
