"""A few frames of HTTP/2, for what no well-behaved client sends."""

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RST_STREAM, SETTINGS = 1, 3, 4
MAX_CONCURRENT_STREAMS = 3
REFUSED_STREAM = 7
_END_HEADERS = 4


class Frame(NamedTuple):
    type: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def greeting() -> bytes:
    return PREFACE + frame(SETTINGS, 0, 0)


def unfinished(stream: int, path: bytes) -> bytes:
    """The headers of a POST whose body is still to come."""
    # HPACK: :method POST, :scheme http, :path and :authority as literals with indexed names.
    block = b"\x83\x86\x04" + bytes([len(path)]) + path + b"\x01\x01x"
    content_type = b"\x0f\x10\x10application/json"
    return frame(HEADERS, _END_HEADERS, stream, block + content_type)


def frames(connection: socket.socket) -> Iterator[Frame]:
    """What the other side sends, until it closes or is silent for the socket's timeout."""
    received = b""
    try:
        while data := connection.recv(65_536):
            received += data
            while len(received) >= 9:
                length = int.from_bytes(received[:3])
                if len(received) < 9 + length:
                    break
                kind, flags, stream = struct.unpack("!BBI", received[3:9])
                yield Frame(kind, flags, stream, received[9 : 9 + length])
                received = received[9 + length :]
    except TimeoutError:
        return
