"""gRPC calls over HTTP/2 with headers and bytes that no client library would send."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import grpc
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from services.store.batches import batched

Address = tuple[str, int]
Headers = Sequence[tuple[bytes, bytes]]
_SECONDS = 20.0
# h2 must send what it would refuse, and the numbers of its streams are limited.
_CONFIG = H2Configuration(
    header_encoding=None,
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
    validate_inbound_headers=False,
)
_LAST_STREAM = 2**30
_ERRORS = (OSError, ProtocolError)
# The calls of `statuses` that run at the same time: fewer than a service answers of any method.
_AT_A_TIME = 4
_CODES = {str(code.value[0]): code.name for code in grpc.StatusCode}


@dataclass
class Call:
    """One request; the answer is added to it."""

    headers: Headers
    body: bytes
    end: str = "end"
    """How the request ends: "end" normally, "reset" by the caller, "half" not at all."""
    got: dict[str, str] = field(default_factory=dict)
    reset: int | None = None
    is_over: bool = False


class Connection:
    """A connection that is opened again after it was closed."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._h2 = H2Connection(_CONFIG)
        self._calls: dict[int, Call] = {}

    def exchange(self, calls: Sequence[Call]) -> str | None:
        """Makes calls at the same time. Returns why some did not end; None if all did."""
        try:
            if self._socket is None or self._h2.get_next_available_stream_id() > _LAST_STREAM:
                self._open()
            self._calls = {}
            for call in calls:
                self._begin(call)
            self._flush()
            while not all(call.is_over for call in calls):
                self._read()
            self._cancel_unfinished()
        except _ERRORS as error:
            self.close()
            return f"{type(error).__name__} {error}"
        return None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _open(self) -> None:
        self.close()
        self._socket = socket.create_connection(self._address, timeout=_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._h2 = H2Connection(_CONFIG)
        self._h2.initiate_connection()

    def _begin(self, call: Call) -> None:
        while self._h2.open_outbound_streams >= self._h2.remote_settings.max_concurrent_streams:
            self._cancel_unfinished()
            self._read()
        stream = self._h2.get_next_available_stream_id()
        self._calls[stream] = call
        self._h2.send_headers(stream, call.headers)
        body, is_sent = call.body, False
        while not is_sent and not call.is_over:
            size = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if body and not size:
                self._read()
                continue
            part, body = body[:size], body[size:]
            is_sent = not body
            self._h2.send_data(stream, part, end_stream=is_sent and call.end == "end")
        if call.end == "reset" and not call.is_over:
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)
        call.is_over = call.is_over or call.end != "end"

    def _cancel_unfinished(self) -> None:
        for stream, call in self._calls.items():
            if call.end == "half":
                with suppress(ProtocolError):  # The server may have ended it.
                    self._h2.reset_stream(stream, ErrorCodes.CANCEL)
        self._flush()

    def _flush(self) -> None:
        if self._socket is not None:
            self._socket.sendall(self._h2.data_to_send())

    def _read(self) -> None:
        self._flush()
        if self._socket is None or not (data := self._socket.recv(262_144)):
            raise ConnectionResetError("closed")
        for event in self._h2.receive_data(data):
            self._take(event)
        self._flush()

    def _take(self, event: events.Event) -> None:
        if isinstance(event, events.ConnectionTerminated):
            raise ConnectionResetError(f"GOAWAY {event.error_code}")
        call = self._calls.get(getattr(event, "stream_id", None) or 0)
        if isinstance(event, events.DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif call is None:
            return
        elif isinstance(event, events.ResponseReceived | events.TrailersReceived):
            call.got |= {n.decode("latin-1"): v.decode("latin-1") for n, v in event.headers or ()}
        elif isinstance(event, events.StreamReset):
            call.reset, call.is_over = int(event.error_code), True
        elif isinstance(event, events.StreamEnded):
            call.is_over = True


def statuses(address: str, calls: Sequence[tuple[str, Headers, bytes]]) -> Iterator[str]:
    """The status of each call, which is a path, more headers, and a message."""
    host, _, port = address.rpartition(":")
    connection = Connection((host, int(port)))
    try:
        for some in batched([_call(*each) for each in calls], _AT_A_TIME):
            assert connection.exchange(some) is None, "the connection was closed"
            yield from (_CODES[call.got["grpc-status"]] for call in some)
    finally:
        connection.close()


def _call(path: str, headers: Headers, message: bytes) -> Call:
    usual = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":authority", b"x"),
        (b":path", path.encode()),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    ]
    return Call([*usual, *headers], b"\0" + len(message).to_bytes(4, "big") + message)
