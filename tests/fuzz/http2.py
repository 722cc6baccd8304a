"""HTTP/2 as it is cheap for many calls: all of a batch on one connection, written by a few lines.

The library h2 takes four times as long for a call, and refuses to send much of what is sent here.
"""

import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from hpack import Decoder, HPACKError

from tests.gateway.http2 import PREFACE, RST_STREAM, SETTINGS, frame

Address = tuple[str, int]
Headers = Sequence[tuple[bytes, bytes]]
SECONDS = 20.0
_DATA, _HEADERS, _PING, _GOAWAY, _WINDOW, _CONTINUATION = 0, 1, 6, 7, 8, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY, _ACK = 1, 4, 8, 32, 1
_LARGEST_FRAME, _LARGEST_WINDOW, _USUAL_WINDOW = 16_384, 2**31 - 1, 65_535
_CANCEL = b"\0\0\0\x08"
# No dynamic table, so that a block of headers says the same wherever it stands.
_NO_TABLE, _WIDE = struct.pack("!HI", 1, 0), struct.pack("!HI", 4, _LARGEST_WINDOW)


@dataclass
class Call:
    """One request; what comes back is added to it."""

    headers: Headers
    body: bytes
    end: str
    got: dict[str, str] = field(default_factory=dict)
    reply: bytes = b""
    reset: int | None = None
    is_over: bool = False


class ClosedError(Exception):
    """The connection ended while calls were under way."""


class Connection:
    """One connection, made anew where it was closed."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._started: Sequence[Call] = ()
        self._failure: str | None = None
        self._calls: dict[int, Call] = {}

    def start(self, calls: Sequence[Call]) -> None:
        """Sends calls that are under way at the same time."""
        self._started, self._failure, self._calls = calls, None, {}
        try:
            if self._socket is None or self._next > 2**30:
                self.close()
                self._open()
            for call in calls:
                self._calls[self._begin(call)] = call
        except (OSError, ClosedError, HPACKError) as error:
            self._fail(error)

    def finish(self) -> str | None:
        """Waits until the calls have ended. Why some of them did not; None if all did."""
        try:
            while self._failure is None and not all(call.is_over for call in self._started):
                self._read()
            for stream, call in self._calls.items():
                if call.end == "half" and self._failure is None:
                    self._send(frame(RST_STREAM, 0, stream, _CANCEL))
        except (OSError, ClosedError, HPACKError) as error:
            self._fail(error)
        return self._failure

    def _fail(self, error: Exception) -> None:
        self.close()
        self._failure = f"{type(error).__name__} {error}"

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _open(self) -> None:
        self._socket = socket.create_connection(self._address, timeout=SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._decoder, self._unread, self._block = Decoder(), b"", b""
        self._next, self._window = 1, _USUAL_WINDOW
        self._windows: dict[int, int] = {}
        self._first_window = _USUAL_WINDOW
        self._calls = {}
        wider = struct.pack("!I", _LARGEST_WINDOW - _USUAL_WINDOW)
        self._socket.sendall(
            PREFACE + frame(SETTINGS, 0, 0, _NO_TABLE + _WIDE) + frame(_WINDOW, 0, 0, wider)
        )
        self._granted = _LARGEST_WINDOW

    def _send(self, data: bytes) -> None:
        if self._socket is None:
            raise ClosedError("closed")
        self._socket.sendall(data)

    def _begin(self, call: Call) -> int:
        stream, self._next = self._next, self._next + 2
        block = b"".join(map(_literal, call.headers))
        is_short = len(call.body) <= _LARGEST_FRAME and len(call.body) < min(
            self._window, self._first_window
        )
        if len(block) <= _LARGEST_FRAME and is_short:
            self._window -= len(call.body)
            end = _END_STREAM if call.end == "end" else 0
            ending = frame(RST_STREAM, 0, stream, _CANCEL) if call.end == "reset" else b""
            call.is_over = call.end != "end"
            headers = frame(_HEADERS, _END_HEADERS, stream, block)
            self._send(headers + frame(_DATA, end, stream, call.body) + ending)
        else:
            self._send_long(stream, call, block)
        return stream

    def _send_long(self, stream: int, call: Call, block: bytes) -> None:
        self._calls[stream] = call
        self._windows[stream] = self._first_window
        parts = [block[at : at + _LARGEST_FRAME] for at in range(0, len(block), _LARGEST_FRAME)]
        for position, part in enumerate(parts):
            flags = _END_HEADERS if position == len(parts) - 1 else 0
            self._send(frame(_CONTINUATION if position else _HEADERS, flags, stream, part))
        body = call.body
        while body and not call.is_over:
            most = min(_LARGEST_FRAME, self._window, self._windows[stream])
            if most <= 0:
                self._read()
                continue
            self._window, self._windows[stream] = self._window - most, self._windows[stream] - most
            self._send(frame(_DATA, 0, stream, body[:most]))
            body = body[most:]
        if not call.is_over and call.end == "end":
            self._send(frame(_DATA, _END_STREAM, stream))
        elif not call.is_over:
            call.is_over = True
            if call.end == "reset":
                self._send(frame(RST_STREAM, 0, stream, _CANCEL))

    def _read(self) -> None:
        if self._socket is None or not (data := self._socket.recv(262_144)):
            raise ClosedError("closed")
        unread, at = self._unread + data, 0
        while len(unread) >= at + 9:
            length = int.from_bytes(unread[at : at + 3], "big")
            if len(unread) < at + 9 + length:
                break
            kind, flags, stream = struct.unpack("!BBI", unread[at + 3 : at + 9])
            self._take(kind, flags, stream, unread[at + 9 : at + 9 + length])
            at += 9 + length
        self._unread = unread[at:]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        call = self._calls.get(stream)
        if kind in {_HEADERS, _CONTINUATION}:
            self._take_headers(kind, flags, call, payload)
        elif kind == _DATA:
            self._grant(len(payload))
        elif kind == RST_STREAM and call is not None:
            call.reset, call.is_over = int.from_bytes(payload, "big"), True
        else:
            self._control(kind, flags, stream, payload)
        if call is not None and kind in {_DATA, _HEADERS}:
            call.reply += payload if kind == _DATA else b""
            call.is_over = call.is_over or bool(flags & _END_STREAM)

    def _take_headers(self, kind: int, flags: int, call: Call | None, payload: bytes) -> None:
        if kind == _HEADERS and flags & (_PADDED | _PRIORITY):
            raise ClosedError("padded headers")  # Envoy never sends them.
        self._block = self._block + payload if kind == _CONTINUATION else payload
        if not flags & _END_HEADERS:
            return
        headers = self._decoder.decode(self._block, raw=True)
        if call is not None:
            call.got |= {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & _ACK:
            self._settle(payload)
        elif kind == _PING and not flags & _ACK:
            self._send(frame(_PING, _ACK, 0, payload))
        elif kind == _WINDOW:
            self._widen(stream, int.from_bytes(payload, "big"))
        elif kind == _GOAWAY:
            raise ClosedError(f"GOAWAY {int.from_bytes(payload[4:8], 'big')}")

    def _grant(self, received: int) -> None:
        self._granted -= received
        if self._granted < _LARGEST_WINDOW // 2:
            with suppress(OSError):
                self._send(frame(_WINDOW, 0, 0, struct.pack("!I", _LARGEST_WINDOW - self._granted)))
            self._granted = _LARGEST_WINDOW

    def _settle(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            name, value = struct.unpack("!HI", payload[at : at + 6])
            if name == 4:
                self._first_window = value
        self._send(frame(SETTINGS, _ACK, 0))

    def _widen(self, stream: int, more: int) -> None:
        if stream == 0:
            self._window += more
        elif stream in self._windows:
            self._windows[stream] += more


def _literal(header: tuple[bytes, bytes]) -> bytes:
    """A header in HPACK, as it is and in no table."""
    name, value = header
    return b"\0" + _length(len(name)) + name + _length(len(value)) + value


def _length(number: int) -> bytes:
    if number < 127:
        return bytes([number])
    out, number = bytearray([127]), number - 127
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
