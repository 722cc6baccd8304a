"""A few frames of HTTP/2, for requests that no correct client sends."""

import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection

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
    """The headers of a POST without its body."""
    # HPACK: :method POST, :scheme http, :path and :authority as literals with indexed names.
    block = b"\x83\x86\x04" + bytes([len(path)]) + path + b"\x01\x01x"
    content_type = b"\x0f\x10\x10application/json"
    return frame(HEADERS, _END_HEADERS, stream, block + content_type)


def frames(connection: socket.socket) -> Iterator[Frame]:
    """The frames of the other side, until it closes or is silent for the timeout of the socket."""
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


_UNCHECKED = H2Configuration(
    client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False
)


def grpc_call(
    port: int,
    path: str,
    headers: Sequence[tuple[str, str | bytes]],
    body: bytes = b"\0\0\0\0\0",
    method: str = "POST",
) -> dict[str, str]:
    """The headers and trailers of the answer to a gRPC call that may be malformed."""
    connection = H2Connection(_UNCHECKED)
    connection.initiate_connection()
    start = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "x")]
    block = [*start, ("content-type", "application/grpc"), *headers]
    connection.send_headers(1, block, end_stream=not body)
    if body:
        connection.send_data(1, body, end_stream=True)
    answer: dict[str, str] = {}
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sent:
        sent.sendall(connection.data_to_send())
        while data := sent.recv(65_536):
            for event in connection.receive_data(data):
                if isinstance(event, events.ResponseReceived | events.TrailersReceived):
                    answer |= {name.decode(): value.decode() for name, value in event.headers or ()}
                elif isinstance(event, events.StreamReset):
                    answer["reset"] = str(event.error_code)
                if isinstance(event, events.StreamEnded | events.StreamReset):
                    return answer
            sent.sendall(connection.data_to_send())
    raise ConnectionError(f"closed after {answer}")
