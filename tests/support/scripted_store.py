"""A store with scripted answers, for situations that a real one produces only rarely."""

import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import BinaryIO, cast

HELLO = b"%1\r\n$5\r\nproto\r\n:3\r\n"


def changed(key: str) -> bytes:
    """The invalidation message for a key."""
    return b">2\r\n$10\r\ninvalidate\r\n*1\r\n$%d\r\n%b\r\n" % (len(key), key.encode())


def values(*texts: str) -> bytes:
    """An answer to MGET or HMGET."""
    each = b"".join(b"$%d\r\n%b\r\n" % (len(text), text.encode()) for text in texts)
    return b"*%d\r\n%b" % (len(texts), each)


class Held:
    """An answer that the store holds back until the test releases it."""

    def __init__(self, answer: bytes) -> None:
        self.asked = threading.Event()
        self.let = threading.Event()
        self._answer = answer

    def wait(self) -> bytes:
        self.asked.set()
        assert self.let.wait(10)
        return self._answer


Answer = bytes | Held


class ScriptedStore:
    """Answers each command with the next bytes of the script for its name."""

    def __init__(self, script: Mapping[str, Sequence[Answer]]) -> None:
        self.script = {name: list(answers) for name, answers in script.items()}
        self.asked: list[str] = []

    def answer(self, command: list[bytes]) -> bytes:
        name = command[0].decode()
        if name == "HELLO":
            return HELLO
        if name not in self.script:
            return b"+OK\r\n"
        self.asked.append(name)
        answer = self.script[name].pop(0)
        return answer.wait() if isinstance(answer, Held) else answer


@contextmanager
def running(store: ScriptedStore) -> Iterator[int]:
    """Yields the port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while command := _command(cast(BinaryIO, self.rfile)):
                self.wfile.write(store.answer(command))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        # By default a shutdown is only noticed after up to half a second.
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _command(stream: BinaryIO) -> list[bytes]:
    head = stream.readline()
    if not head:
        return []
    words = []
    for _ in range(int(head[1:])):
        length = int(stream.readline()[1:])
        words.append(stream.read(length + 2)[:-2])
    return words
