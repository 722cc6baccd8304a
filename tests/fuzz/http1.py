"""HTTP/1.1 requests as bytes, each on a separate connection, and the replies to them."""

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPException, HTTPResponse

from tests.fuzz.envelopes import HttpReply

Address = tuple[str, int]
_AT_A_TIME = 48
_SECONDS, _RAW_SECONDS = 20.0, 0.5
# A reset at the end, so that the port can be used again at once.
_RESET = struct.pack("ii", 1, 0)


def answers_to(address: Address, requests: Sequence[bytes]) -> list[HttpReply | None]:
    """The reply to each request; None where it did not come in time."""
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return list(pool.map(partial(_answer_to, address), requests))


def raw_answers_to(address: Address, requests: Sequence[bytes]) -> list[bytes]:
    """The bytes that come back within half a second. Some of these are no requests at all."""
    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(partial(_raw_answer_to, address), requests))


@contextmanager
def _sent(address: Address, request: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=_SECONDS) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # The gateway may close before it has read everything; its answer says so.
        with suppress(OSError):
            connection.sendall(request)
        yield connection


def _answer_to(address: Address, request: bytes) -> HttpReply | None:
    with _sent(address, request) as connection:
        is_head = request.startswith(b"HEAD ")
        with HTTPResponse(connection, method="HEAD" if is_head else "GET") as response:
            try:
                response.begin()
                body = response.read()
            except (OSError, HTTPException):
                return None
            headers = {name.lower(): value for name, value in response.getheaders()}
            return HttpReply(response.status, headers, body)


def _raw_answer_to(address: Address, request: bytes) -> bytes:
    received, until = b"", time.monotonic() + _RAW_SECONDS
    with _sent(address, request) as connection, suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            data = connection.recv(262_144)
            if not data:
                break
            received += data
    return received


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
