"""Many other connections that remember what a reader remembers.

The store answers a writer first. Then it sends the invalidations, to the connection that came last
first; so the first one gets its own late enough for a test to notice: about 1 ms for 200 others.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

COUNT = 200


class OtherReaders:
    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        self._lock = threading.Lock()

    def read(self, key: str) -> None:
        """Before each write: an invalidation is sent once, for the reads before it."""
        with self._lock:
            for each in self._sockets[1:]:
                each.sendall(f"EXISTS {key}\r\n".encode())
            # So that the answers are out before the write comes, and are not sent along with it.
            for each in self._sockets[:1]:
                each.sendall(b"PING\r\n")
                each.recv(7)


@contextmanager
def other_readers(port: int) -> Iterator[OtherReaders]:
    """To be opened after the reader that is to be last; their answers are never read."""
    with ExitStack() as stack:
        address = ("127.0.0.1", port)
        sockets = [stack.enter_context(socket.create_connection(address)) for _ in range(COUNT)]
        for each in sockets[1:]:
            each.sendall(b"HELLO 3\r\nCLIENT TRACKING ON\r\n")
        yield OtherReaders(sockets)
