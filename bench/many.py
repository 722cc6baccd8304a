"""Sends requests about a different user each, which h2load cannot do.

Like h2load, it uses one connection with 16 gRPC calls at a time, or 16 connections with JSON.
"""

import json
import re
import selectors
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from typing import cast

from hpack import Encoder

from bench.launch import HOST
from levelgate.upbot.v1.upbot_checks_pb2 import (
    CheckResult,
    CheckUserXYLevelRequest,
    CheckUserXYLevelResponse,
)

AT_A_TIME = 16
LEVELS = (1, 3)
REPLY = {"ret": 0, "msg": "", "data": {"ok": True}}
_SECONDS = 30
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1


def _as_message(serialized: bytes) -> bytes:
    return struct.pack("!BI", 0, len(serialized)) + serialized


_GOOD = _as_message(CheckUserXYLevelResponse(data=CheckResult(ok=True)).SerializeToString())


def send_grpc(port: int, path: str, token: str, users: Sequence[str]) -> float:
    """Returns the seconds that it took. Raises ValueError if an answer is wrong."""
    encoder, started = Encoder(), time.perf_counter()
    headers = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", HOST)]
    headers += [("content-type", "application/grpc"), ("te", "trailers")]
    headers += [("authorization", token)]
    waiting, found = enumerate(users), dict[int, bytes]()
    with socket.create_connection((HOST, port), _SECONDS) as connection:

        def ask() -> None:
            for number, user in waiting:
                stream = 2 * number + 1
                request = CheckUserXYLevelRequest(openid=user, level=LEVELS).SerializeToString()
                block = _frame(_HEADERS, _END_HEADERS, stream, encoder.encode(headers))
                connection.sendall(block + _frame(_DATA, _END_STREAM, stream, _as_message(request)))
                return

        connection.sendall(_PREFACE + _frame(_SETTINGS, 0, 0))
        # The largest window, so that the answers never have to wait for an update of it.
        connection.sendall(_frame(_WINDOW, 0, 0, struct.pack("!I", 2**31 - 2**16)))
        for _ in range(AT_A_TIME):
            ask()
        ended = 0
        for kind, flags, stream, payload in _frames(connection):
            if kind == _DATA:
                found[stream] = found.get(stream, b"") + payload
            if flags & _END_STREAM:
                if found.pop(stream, b"") != _GOOD:
                    raise ValueError("a wrong answer")
                ended += 1
                if ended == len(users):
                    return time.perf_counter() - started
                ask()
    raise ValueError(f"the connection was closed after {ended} answers")


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def _frames(connection: socket.socket) -> Iterable[tuple[int, int, int, bytes]]:
    """The frames of calls. Settings and pings are acknowledged here."""
    received = b""
    while data := connection.recv(65_536):
        received += data
        start = 0
        while len(received) - start >= 9:
            length = int.from_bytes(received[start : start + 3])
            end = start + 9 + length
            if len(received) < end:
                break
            kind, flags, stream = struct.unpack_from("!BBI", received, start + 3)
            payload = received[start + 9 : end]
            start = end
            if kind in {_DATA, _HEADERS}:
                yield kind, flags, stream, payload
            elif kind in {_SETTINGS, _PING} and not flags & _ACK:
                connection.sendall(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
            elif kind in {_RESET, _GOAWAY}:
                raise ValueError(f"a frame of type {kind}: {payload!r}")
        received = received[start:]


def send_json(port: int, path: str, token: str, users: Sequence[str]) -> float:
    """Like send_grpc, with JSON."""
    start = f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\nauthorization: {token}\r\n"
    start += "content-type: application/json\r\ncontent-length: "
    waiting, started = iter(users), time.perf_counter()

    def ask(connection: socket.socket) -> bool:
        for user in waiting:
            body = json.dumps({"openid": user, "levels": LEVELS})
            connection.sendall(f"{start}{len(body)}\r\n\r\n{body}".encode())
            return True
        return False

    with selectors.DefaultSelector() as selector:
        for _ in range(AT_A_TIME):
            connection = socket.create_connection((HOST, port), _SECONDS)
            selector.register(connection, selectors.EVENT_READ, bytearray())
            ask(connection)
        while selector.get_map():
            for key, _ in selector.select(_SECONDS):
                connection, received = cast(socket.socket, key.fileobj), key.data
                data = connection.recv(65_536)
                received += data
                head, _, body = received.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                if data and (length is None or len(body) < int(length[1])):
                    continue
                if not head.startswith(b"HTTP/1.1 200") or json.loads(body) != REPLY:
                    raise ValueError(f"{head!r} {body!r}")
                received.clear()
                if not ask(connection):
                    selector.unregister(connection)
                    connection.close()
    return time.perf_counter() - started
