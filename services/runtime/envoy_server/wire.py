"""The wire format of gRPC: the frames of messages, and the headers for a status and a timeout.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import base64
import zlib
from urllib.parse import quote

import grpc

from levelgate.access.v1.reason_pb2 import (
    REASON_COMPRESSION_UNSUPPORTED,
    REASON_INVALID_PARAMETER,
    REASON_MESSAGE_TOO_LARGE,
)
from services.runtime.errors import Failure

# One byte for the compression flag, and four for the length of the message.
PREFIX = 5
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
# Printable ASCII without the percent sign, which begins an escape.
_PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
# With this value zlib detects whether it reads gzip or deflate.
_ANY_ZLIB_HEADER = 32 + zlib.MAX_WBITS


def framed(message: bytes) -> bytes:
    """Returns an uncompressed message with its prefix."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def only_message(body: bytes, encoding: str | None, most: int) -> bytes:
    """Returns the only message of a unary call. Raises Failure."""
    if len(body) < PREFIX or length_of(body, most) != len(body) - PREFIX:
        raise _malformed()
    return unpacked(body[0], body[PREFIX:], encoding, most)


def length_of(prefix: bytes | bytearray, most: int) -> int:
    """Returns the length that a prefix gives. Raises Failure if that is more than `most`."""
    length = int.from_bytes(prefix[1:PREFIX], "big")
    if length > most:
        raise _too_large(most)
    return length


def unpacked(flag: int, message: bytes, encoding: str | None, most: int) -> bytes:
    """Decompresses a message, up to `most` bytes. Raises Failure."""
    if flag == 0:
        return message
    if encoding not in {"gzip", "deflate"} or flag != 1:
        raise Failure(REASON_COMPRESSION_UNSUPPORTED)
    unpacker = zlib.decompressobj(_ANY_ZLIB_HEADER)
    try:
        plain = unpacker.decompress(message, most + 1)
    except zlib.error:
        raise _malformed() from None
    if len(plain) > most:
        raise _too_large(most)
    if not unpacker.eof:
        raise _malformed()
    return plain


def seconds_of(timeout: str | None) -> float | None:
    """Parses `grpc-timeout`; None if it is absent or malformed, as in grpcio."""
    if not timeout or len(timeout) > 9 or timeout[-1] not in _SECONDS:
        return None
    digits = timeout[:-1]
    return int(digits) * _SECONDS[timeout[-1]] if digits.isascii() and digits.isdigit() else None


def status_headers(status: grpc.Status) -> list[tuple[str, str]]:
    """Returns the headers, or trailers, for a status."""
    headers = [
        ("grpc-status", str(status.code.value[0])),
        ("grpc-message", quote(status.details, safe=_PLAIN)),
    ]
    for name, value in status.trailing_metadata or ():
        packed = value.encode() if isinstance(value, str) else value
        headers.append((name, base64.b64encode(packed).decode()))
    return headers


def _malformed() -> Failure:
    return Failure(REASON_INVALID_PARAMETER, "the body is not one complete gRPC message")


def _too_large(most: int) -> Failure:
    return Failure(REASON_MESSAGE_TOO_LARGE, f"a message may have at most {most} bytes")
