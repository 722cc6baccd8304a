"""HTTP/1.1 requests as bytes, each on a separate connection, and the replies to them."""

import selectors
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPResponse, IncompleteRead
from io import BytesIO
from types import SimpleNamespace
from typing import Any, NamedTuple

from services.store.batches import batched
from tests.fuzz.envelopes import HttpReply

Address = tuple[str, int]
_AT_A_TIME = 48
_SECONDS, _RAW_SECONDS = 20.0, 0.5
# A reset at the end, so that the port can be used again at once.
_RESET = struct.pack("ii", 1, 0)


class Exchange(NamedTuple):
    """One request and the bytes that came back."""

    request: bytes
    connection: socket.socket
    received: bytearray

    def reply(self) -> HttpReply | None:
        """None while it is incomplete."""
        return parsed(bytes(self.received), is_head=self.request.startswith(b"HEAD "))


def answers_to(address: Address, requests: Sequence[bytes]) -> list[HttpReply | None]:
    """The reply to each request; None where it did not come in time."""
    found: list[HttpReply | None] = []
    for some in batched(requests, _AT_A_TIME):
        found += [each.reply() for each in _exchanged(address, some, is_raw=False)]
    return found


def raw_answers_to(address: Address, requests: Sequence[bytes]) -> list[bytes]:
    """The bytes that come back within half a second. Some of these are no requests at all."""
    return [bytes(each.received) for each in _exchanged(address, requests, is_raw=True)]


def _exchanged(address: Address, requests: Sequence[bytes], *, is_raw: bool) -> list[Exchange]:
    exchanges = []
    with selectors.DefaultSelector() as selector:
        for request in requests:
            connection = socket.create_connection(address, timeout=_SECONDS)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            exchanges.append(Exchange(request, connection, bytearray()))
            selector.register(connection, selectors.EVENT_READ, exchanges[-1])
            # The gateway may close before it has read everything; its answer says so.
            with suppress(OSError):
                connection.sendall(request)
                if is_raw:
                    connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + (_RAW_SECONDS if is_raw else _SECONDS)
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(0.1):
                if _is_over(key.data, is_raw=is_raw):
                    selector.unregister(key.fileobj)
    for each in exchanges:
        each.connection.close()
    return exchanges


def _is_over(exchange: Exchange, *, is_raw: bool) -> bool:
    """Reads what came; true when nothing more is expected."""
    data = b""
    with suppress(OSError):
        data = exchange.connection.recv(262_144)
    exchange.received.extend(data)
    return not data or (not is_raw and exchange.reply() is not None)


def parsed(answer: bytes, *, is_head: bool = False) -> HttpReply | None:
    """The first reply in these bytes after informational ones; None if it is incomplete."""
    while answer.startswith(b"HTTP/1.1 1"):
        answer = answer.partition(b"\r\n\r\n")[2]
    if b"\r\n\r\n" not in answer:
        return None
    received: Any = SimpleNamespace(makefile=lambda _mode: BytesIO(answer))
    response = HTTPResponse(received, method="HEAD" if is_head else "GET")
    response.begin()
    try:
        body = response.read()
    except IncompleteRead:
        return None
    headers = {name.lower(): value for name, value in response.getheaders()}
    return HttpReply(response.status, headers, body)


def parsed_head(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:])
    return int(lines[0].split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}


def whole(head: bytes, body: bytes, framing: str) -> bytes:
    """The request with the headers that give the length of its body."""
    match framing:
        case "none":
            return head + b"\r\n\r\n"
        case "chunked":
            chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            return head + b"\r\ntransfer-encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"
        case "length":
            return head + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    return head + body
