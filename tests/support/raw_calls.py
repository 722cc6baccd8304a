"""gRPC calls with headers that no client library would send, and the status of each."""

import socket
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import grpc
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection

from services.store.batches import batched

Header = tuple[bytes, bytes]
_PSEUDO: list[Header] = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"x")]
_REST: list[Header] = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
# Fewer than a service answers at a time of any one method.
_AT_A_TIME = 4
_SECONDS = 20.0
_NAMES = {str(code.value[0]).encode(): code.name for code in grpc.StatusCode}


class RawCall(NamedTuple):
    path: str
    headers: Sequence[Header]
    message: bytes


def statuses(address: str, calls: Sequence[RawCall]) -> Iterator[str]:
    """The name of each call's status; "RESET" where the call was reset."""
    host, _, port = address.rpartition(":")
    # As they are: h2 would refuse to send what a test wants to be refused by others.
    config = H2Configuration(header_encoding=None, validate_outbound_headers=False)
    with socket.create_connection((host, int(port)), _SECONDS) as connection:
        h2 = H2Connection(config)
        h2.initiate_connection()
        for some in batched(calls, _AT_A_TIME):
            streams = [_begun(h2, call) for call in some]
            ended: dict[int, str] = {}
            while set(streams) - set(ended):
                connection.sendall(h2.data_to_send())
                data = connection.recv(65_536)
                assert data, "the connection was closed"
                ended |= dict(_ended(h2.receive_data(data)))
            yield from (ended[stream] for stream in streams)


def _begun(h2: H2Connection, call: RawCall) -> int:
    stream = h2.get_next_available_stream_id()
    headers = [*_PSEUDO, (b":path", call.path.encode()), *_REST, *call.headers]
    h2.send_headers(stream, headers)
    h2.send_data(stream, b"\0" + len(call.message).to_bytes(4) + call.message, end_stream=True)
    return stream


def _ended(received: Sequence[events.Event]) -> Iterator[tuple[int, str]]:
    for event in received:
        if isinstance(event, events.ResponseReceived | events.TrailersReceived):
            status = dict(event.headers or ()).get(b"grpc-status")
            if status is not None:
                yield event.stream_id, _NAMES[status]
        elif isinstance(event, events.StreamReset):
            yield event.stream_id, "RESET"
