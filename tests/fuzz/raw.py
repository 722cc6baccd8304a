"""Bytes that may be no request, each on a connection that is then half closed."""

import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import suppress

# Some of them are never answered.
_SECONDS = 0.5


def answers_to(address: tuple[str, int], requests: Sequence[bytes]) -> list[bytes]:
    """What came back until the server closed, or for half a second."""
    answers = [b""] * len(requests)
    with selectors.DefaultSelector() as selector:
        for at, request in enumerate(requests):
            connection = socket.create_connection(address, timeout=10)
            with suppress(OSError):
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
            selector.register(connection, selectors.EVENT_READ, at)
        deadline = time.monotonic() + _SECONDS
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(0.1):
                connection = key.fileobj  # type: ignore[assignment]
                data = _read(connection)
                answers[key.data] += data
                if not data:
                    selector.unregister(connection)
                    connection.close()
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
    return answers


def _read(connection: socket.socket) -> bytes:
    with suppress(OSError):
        return connection.recv(65_536)
    return b""
