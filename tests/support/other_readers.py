"""Many other connections that track the same key as a reader.

The store answers a writer first. Then it sends the invalidations, beginning with the newest
connection. So with 200 others the first connection gets its invalidation about 1 ms late, which is
enough for a test to notice.
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
        """Must be called before each write: an invalidation is sent only once after a read."""
        with self._lock:
            for each in self._sockets[1:]:
                each.sendall(f"EXISTS {key}\r\n".encode())
            # Waits until the answers are sent, so that they are not sent together with the write's.
            for each in self._sockets[:1]:
                each.sendall(b"PING\r\n")
                each.recv(7)


@contextmanager
def other_readers(port: int) -> Iterator[OtherReaders]:
    """Must be opened after the reader that is to be the last; their answers are never read."""
    with ExitStack() as stack:
        address = ("127.0.0.1", port)
        sockets = [stack.enter_context(socket.create_connection(address)) for _ in range(COUNT)]
        for each in sockets[1:]:
            each.sendall(b"HELLO 3\r\nCLIENT TRACKING ON\r\n")
        yield OtherReaders(sockets)
