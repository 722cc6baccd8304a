"""Calls that are begun and never finished, and clients that never read their answers."""

import selectors
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import count, cycle, islice, product
from typing import NamedTuple

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

Address = tuple[str, int]
_START = [(":method", "POST"), (":scheme", "http"), (":authority", "x")]
_REST = [("content-type", "application/grpc"), ("te", "trailers")]
# The bytes after the headers: none; a part of the prefix of a message; the prefix without the
# message; half of a message, whose first field is a string.
STARTS = (b"", b"\0\0", b"\0\0\0\1\0", b"\0\0\0\0\x08\x0a\x06use")
_SECONDS = 10.0
_USUAL, LARGEST = 2**16 - 1, 2**31 - 1  # Flow control windows in bytes.


class Call(NamedTuple):
    path: str
    sent: bytes = b""
    token: str = ""
    is_whole: bool = False


def unfinished(paths: Sequence[str], tokens: Sequence[str]) -> list[Call]:
    """A call for each method, start and token; "" means no token."""
    return [Call(path, sent, token) for path, sent, token in product(paths, STARTS, tokens)]


class Connection:
    """One HTTP/2 connection; `answers` counts how its calls ended."""

    def __init__(self, address: Address, opened: ExitStack, window: int | None = None) -> None:
        self.socket = opened.enter_context(socket.socket())
        if window is not None:
            # So small that the server's socket buffers 50 KB, not 2.5 MB.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.settimeout(_SECONDS)
        self.socket.connect(address)
        self.answers: Counter[str] = Counter()
        self._begun: list[int] = []
        self._h2 = H2Connection(H2Configuration(client_side=True))
        if window is not None:
            self._h2.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = window
        self._h2.initiate_connection()
        if window == LARGEST:
            self._h2.increment_flow_control_window(LARGEST - _USUAL)
        self._read_until(events.RemoteSettingsChanged)

    def begin(self, calls: Sequence[Call]) -> int:
        """Begins as many calls as the server allows on one connection; returns the number."""
        for begun, call in enumerate(calls):
            stream = self._h2.get_next_available_stream_id()
            token = [("authorization", call.token)] if call.token else []
            try:
                self._begun.append(stream)
                self._h2.send_headers(stream, [*_START, (":path", call.path), *_REST, *token])
                self._h2.send_data(stream, call.sent, end_stream=call.is_whole)
            except ProtocolError:
                self._begun.pop()
                return begun  # The limit of streams, or the window.
        return len(calls)

    def reset(self) -> None:
        """Cancels all calls that were begun; unsent ones are sent together with this."""
        for stream in self._begun:
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)
        self._begun.clear()
        self.flush()

    def send(self) -> None:
        """Waits until the server has read everything before a ping, which it answers last."""
        self._h2.ping(b"all read")
        self._read_until(events.PingAckReceived)

    def flush(self) -> None:
        self.socket.sendall(self._h2.data_to_send())

    def read(self) -> list[events.Event]:
        """Raises OSError if the server has closed the connection."""
        if not (data := self.socket.recv(65_536)):
            raise ConnectionResetError
        received = self._h2.receive_data(data)
        for event in received:
            if isinstance(event, events.ResponseReceived | events.TrailersReceived):
                found = (v.decode() for k, v in event.headers or () if k == b"grpc-status")
                self.answers.update(found)
            elif isinstance(event, events.StreamReset) and event.error_code != ErrorCodes.NO_ERROR:
                self.answers["reset"] += 1
        self.flush()
        return received

    def _read_until(self, kind: type[events.Event]) -> None:
        self.flush()
        while not any(isinstance(event, kind) for event in self.read()):
            pass


class HalfOpen(NamedTuple):
    begun: int
    connections: Sequence[Connection]

    @property
    def answers(self) -> Counter[str]:
        """The number of each gRPC status, of "reset" streams and of "closed" connections."""
        return sum((each.answers.copy() for each in self.connections), Counter())


def _read_all(connections: Sequence[Connection], over: threading.Event) -> None:
    with selectors.DefaultSelector() as selector:
        for each in connections:
            selector.register(each.socket, selectors.EVENT_READ, each)
        while not over.is_set():
            for key, _ in selector.select(0.05):
                try:
                    key.data.read()
                except (OSError, ProtocolError):
                    key.data.answers["closed"] += 1
                    selector.unregister(key.fileobj)


@contextmanager
def half_open(
    address: Address, calls: Sequence[Call], connections: int, calls_each: int
) -> Iterator[HalfOpen]:
    """Begins many calls, cycling through `calls`; the server has read all when the block begins."""
    over, endless = threading.Event(), cycle(calls)
    with ThreadPoolExecutor(1) as pool, ExitStack() as opened:
        held = [Connection(address, opened) for _ in range(connections)]
        begun = sum(each.begin(list(islice(endless, calls_each))) for each in held)
        for each in held:
            each.send()
        opened.callback(over.set)
        pool.submit(_read_all, held, over)
        yield HalfOpen(begun, held)


@contextmanager
def unread(address: Address, calls: Sequence[Call], connections: int, window: int) -> Iterator[int]:
    """Clients that never read their answers; the server may send `window` bytes of each."""
    with ExitStack() as opened:
        held = [Connection(address, opened, window) for _ in range(connections)]
        begun = sum(each.begin(calls) for each in held)
        for each in held:
            each.flush()
        yield begun


def reset_calls(address: Address, path: str, body: bytes, is_over: Callable[[], bool]) -> int:
    """Sends complete calls without a token and resets each, as fast as the server reads.

    Without h2, which would take the processor that the server needs. Returns the number of calls.
    """
    headers = [*_START, (":path", path), *_REST]
    block = b"".join(b"\0" + _string(name) + _string(value) for name, value in headers)
    begun = 0
    while not is_over():
        with socket.socket() as client, suppress(OSError):
            client.settimeout(1)
            client.connect(address)
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0))
            for stream in count(1, 2):
                if is_over():
                    break
                # HEADERS, DATA that ends the request, RST_STREAM with CANCEL.
                frames = _frame(1, 4, stream, block) + _frame(0, 1, stream, body)
                client.sendall(frames + _frame(3, 0, stream, b"\0\0\0\x08"))
                begun += 1
    return begun


def _string(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack("!IBI", len(payload) << 8 | kind, flags, stream) + payload
