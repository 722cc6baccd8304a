"""The text of cursors: a position as opaque text that callers send back.

Each kind of cursor starts with its own letter, and a checksum detects typing errors and cursors of
other calls. A cursor is not signed, so a caller can forge one: readers therefore check everything
and raise CursorError.
"""

import base64
import struct
import zlib

_LONGEST = 16_384


class CursorError(Exception):
    """The text is not a cursor of this call."""


def encoded(kind: str, packed: bytes) -> str:
    return kind + base64.urlsafe_b64encode(_checksum(kind, packed) + packed).decode().rstrip("=")


def decoded(kind: str, text: str) -> bytes:
    """Raises CursorError."""
    if text[:1] != kind or len(text) > _LONGEST:
        raise CursorError
    try:
        packed = base64.b64decode(text[1:] + "=" * (-len(text[1:]) % 4), b"-_", validate=True)
    except ValueError as error:
        raise CursorError from error
    if _checksum(kind, packed[4:]) != packed[:4]:
        raise CursorError
    return packed[4:]


def position(layout: struct.Struct, packed: bytes) -> tuple[tuple[int, ...], str]:
    """The numbers of the layout and the user after them. Raises CursorError."""
    try:
        return layout.unpack_from(packed), packed[layout.size :].decode()
    except (struct.error, UnicodeDecodeError) as error:
        raise CursorError from error


def _checksum(kind: str, packed: bytes) -> bytes:
    return zlib.crc32(kind.encode() + packed).to_bytes(4, "big")
