"""Cursors: where a page or a stream goes on, as text that callers only hand back.

Each kind has a letter, and a checksum finds what was typed wrong or belongs to another call. It is
no secret, so anybody can make a cursor: whatever does not have the exact form is a CursorError.
"""

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from services.user_state.record import MAX_VERSION

_LONGEST = 16_384
_WATCH, _RISK, _EXPORT = "W", "R", "E"
_RISK_PLACE = struct.Struct(">HII")
_EXPORT_PLACE = struct.Struct(">H")


class CursorError(Exception):
    """The text is no cursor of this call."""


class AtRiskCursor(NamedTuple):
    """The last member of a page."""

    bucket: int
    level: int
    points: int
    user: str


class ExportCursor(NamedTuple):
    """The last member of a message."""

    bucket: int
    user: str


def watch_cursor(versions: Sequence[int]) -> str:
    """Up to which version each bucket's changes were sent."""
    return _written(_WATCH, zlib.compress(struct.pack(f">{len(versions)}Q", *versions), 1))


def read_watch_cursor(text: str, buckets: int) -> list[int]:
    """Raises CursorError."""
    layout = struct.Struct(f">{buckets}Q")
    unpacking = zlib.decompressobj()
    try:
        # The limit keeps a forged one from unpacking to gigabytes.
        packed = unpacking.decompress(_read(_WATCH, text), layout.size + 1)
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
    return _written(_RISK, _RISK_PLACE.pack(bucket, level, points) + user.encode())


def read_at_risk_cursor(text: str) -> AtRiskCursor:
    """Raises CursorError."""
    (bucket, level, points), user = _place(_RISK_PLACE, _read(_RISK, text))
    return AtRiskCursor(bucket, level, points, user)


def export_cursor(cursor: ExportCursor) -> str:
    return _written(_EXPORT, _EXPORT_PLACE.pack(cursor.bucket) + cursor.user.encode())


def read_export_cursor(text: str) -> ExportCursor:
    """Raises CursorError."""
    (bucket,), user = _place(_EXPORT_PLACE, _read(_EXPORT, text))
    return ExportCursor(bucket, user)


def _place(layout: struct.Struct, packed: bytes) -> tuple[tuple[int, ...], str]:
    try:
        return layout.unpack_from(packed), packed[layout.size :].decode()
    except (struct.error, UnicodeDecodeError) as error:
        raise CursorError from error


def _written(kind: str, packed: bytes) -> str:
    return kind + base64.urlsafe_b64encode(_checksum(kind, packed) + packed).decode().rstrip("=")


def _read(kind: str, text: str) -> bytes:
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
