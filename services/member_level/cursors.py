"""Cursors: where a page or a stream goes on, as text that callers only hand back.

Each kind has a letter, and a checksum tells what was typed wrong or belongs to another call.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from typing import NamedTuple, TypeGuard

_LONGEST = 65_536
_WATCH, _RISK, _EXPORT = "w", "r", "e"


class CursorError(Exception):
    """The text is no cursor of this call."""


class RiskCursor(NamedTuple):
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
    """Up to which version each bucket's changes were told."""
    return _written(_WATCH, versions)


def read_watch_cursor(text: str, buckets: int) -> list[int]:
    """Raises CursorError."""
    versions = [version for version in _read(_WATCH, text) if _is_number(version)]
    if len(versions) != buckets:
        raise CursorError
    return versions


def risk_cursor(cursor: RiskCursor) -> str:
    return _written(_RISK, cursor)


def read_risk_cursor(text: str) -> RiskCursor:
    """Raises CursorError."""
    match _read(_RISK, text):
        case [int(bucket), int(level), int(points), str(user)] if min(bucket, level, points) >= 0:
            return RiskCursor(bucket, level, points, user)
    raise CursorError


def export_cursor(cursor: ExportCursor) -> str:
    return _written(_EXPORT, cursor)


def read_export_cursor(text: str) -> ExportCursor:
    """Raises CursorError."""
    match _read(_EXPORT, text):
        case [int(bucket), str(user)] if bucket >= 0:
            return ExportCursor(bucket, user)
    raise CursorError


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and value >= 0


def _written(kind: str, values: Sequence[int | str]) -> str:
    packed = zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 1)
    checksum = zlib.crc32(kind.encode() + packed).to_bytes(4, "big")
    return kind + base64.urlsafe_b64encode(checksum + packed).decode().rstrip("=")


def _read(kind: str, text: str) -> list[object]:
    try:
        if text[:1] != kind or len(text) > _LONGEST:
            raise CursorError
        packed = base64.b64decode(text[1:] + "=" * (-len(text[1:]) % 4), b"-_", validate=True)
        if zlib.crc32(kind.encode() + packed[4:]).to_bytes(4, "big") != packed[:4]:
            raise CursorError
        # The limit keeps a forged one from unpacking to gigabytes.
        values = json.loads(zlib.decompressobj().decompress(packed[4:], 16 * _LONGEST))
    except (ValueError, binascii.Error, zlib.error) as error:
        raise CursorError from error
    if not isinstance(values, list):
        raise CursorError
    return values
