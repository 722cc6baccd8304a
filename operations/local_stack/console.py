"""The terminal: the components' log files, followed, and the stack's own lines between them."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from queue import Empty, SimpleQueue

STDOUT, STDERR, NOTHING, CLOSED = 1, 2, 3, 4
TICK_SECONDS = 0.1
LONGEST_LINE = 2_000
LAST_LINES = 10


class Console:
    """Writes in a thread, so that a paused terminal or a full pipe blocks nothing else.

    It writes to file descriptors: Python aborts at exit if a thread holds the lock of sys.stdout.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._width = max(len(name) for name in names)
        self._own: SimpleQueue[tuple[int, str]] = SimpleQueue()
        self._logs: list[tuple[str, BufferedReader]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def follow(self, name: str, log: Path) -> None:
        self._logs.append((self._prefix(name), log.open("rb")))

    def say(self, line: str) -> None:
        self._own.put((STDOUT, self._prefix("stack") + line))

    def fail(self, text: str) -> None:
        self._own.put((STDERR, self._prefix("stack") + text))

    def show(self, text: str) -> None:
        """Without a prefix, so that it can be copied."""
        self._own.put((STDOUT, text))

    def close(self) -> None:
        self._own.put((CLOSED, ""))
        self._thread.join(1)

    def _prefix(self, name: str) -> str:
        return f"{name:<{self._width}} | "

    def _run(self) -> None:
        stream = NOTHING
        while stream != CLOSED:
            stream, text = NOTHING, ""
            with suppress(Empty):
                stream, text = self._own.get(timeout=TICK_SECONDS)
            # First what was logged before the stack said its line.
            for prefix, log in tuple(self._logs):
                for line in _new_lines(log, is_last=stream == CLOSED):
                    _write(STDOUT, prefix + line)
            if text:
                _write(stream, text)


def _new_lines(log: BufferedReader, *, is_last: bool) -> Iterator[str]:
    while line := log.readline(LONGEST_LINE):
        if not line.endswith(b"\n") and len(line) < LONGEST_LINE and not is_last:
            # The rest has not been written yet.
            log.seek(-len(line), os.SEEK_CUR)
            return
        yield printable(line)


def _write(stream: int, text: str) -> None:
    data = f"{text}\n".encode()
    try:
        while data:
            data = data[os.write(stream, data) :]
    except OSError:
        # Nobody reads any more; the log files have everything.
        return


def printable(line: bytes) -> str:
    """Escapes control characters, which a terminal would obey: callers can put them into a path."""
    text = line.decode(errors="backslashreplace").rstrip("\r\n")
    return "".join(
        each if each.isprintable() or each == "\t" else ascii(each)[1:-1] for each in text
    )


def last_lines(log: Path) -> list[str]:
    """The end of a log; its size is limited whatever was logged."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LAST_LINES * LONGEST_LINE))
        return [printable(line) for line in file.read().splitlines()[-LAST_LINES:]]
