"""Cursors: the position of a page or a stream, as opaque text that callers send back.

Each kind of cursor starts with its own letter, and a checksum detects typing errors and cursors of
other calls. A cursor is not signed, so a caller can forge one: readers therefore check everything
and raise CursorError.
"""

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from services.user_state.record import MAX_VERSION

_LONGEST = 16_384
_WATCH, _AT_RISK, _EXPORT = "W", "R", "E"
_AT_RISK_LAYOUT = struct.Struct(">HII")
_EXPORT_LAYOUT = struct.Struct(">H")


class CursorError(Exception):
    """The text is not a cursor of this call."""


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
    return _encoded(_WATCH, zlib.compress(struct.pack(f">{len(versions)}Q", *versions), 1))


def read_watch_cursor(text: str, buckets: int) -> list[int]:
    """Raises CursorError."""
    layout = struct.Struct(f">{buckets}Q")
    unpacking = zlib.decompressobj()
    try:
        # The limit keeps a forged cursor from unpacking to gigabytes.
        packed = unpacking.decompress(_decoded(_WATCH, text), layout.size + 1)
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
    return _encoded(_AT_RISK, _AT_RISK_LAYOUT.pack(bucket, level, points) + user.encode())


def read_at_risk_cursor(text: str) -> AtRiskCursor:
    """Raises CursorError."""
    (bucket, level, points), user = _position(_AT_RISK_LAYOUT, _decoded(_AT_RISK, text))
    return AtRiskCursor(bucket, level, points, user)


def export_cursor(cursor: ExportCursor) -> str:
    return _encoded(_EXPORT, _EXPORT_LAYOUT.pack(cursor.bucket) + cursor.user.encode())


def read_export_cursor(text: str) -> ExportCursor:
    """Raises CursorError."""
    (bucket,), user = _position(_EXPORT_LAYOUT, _decoded(_EXPORT, text))
    return ExportCursor(bucket, user)


def _position(layout: struct.Struct, packed: bytes) -> tuple[tuple[int, ...], str]:
    try:
        return layout.unpack_from(packed), packed[layout.size :].decode()
    except (struct.error, UnicodeDecodeError) as error:
        raise CursorError from error


def _encoded(kind: str, packed: bytes) -> str:
    return kind + base64.urlsafe_b64encode(_checksum(kind, packed) + packed).decode().rstrip("=")


def _decoded(kind: str, text: str) -> bytes:
    if text[:1] != kind or len(text) > _LONGEST:
        raise CursorError
    try:
        packed = base64.b64decode(text[1:] + "=" * (-len(text[1:]) % 4), b"-_", validate=True)
    except ValueError as error:
        raise CursorError from error
    if _checksum(kind, packed[4:]) != packed[:4]:
        raise CursorError
    return packed[4:]


def _checksum(kind: str, packed: bytes) -> bytes:
    return zlib.crc32(kind.encode() + packed).to_bytes(4, "big")
