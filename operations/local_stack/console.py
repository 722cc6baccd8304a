"""The terminal: the components' log files, followed, and the stack's own lines between them."""

import os
import threading
from io import BufferedReader
from pathlib import Path
from queue import Empty, SimpleQueue

STDOUT, STDERR = 1, 2
TICK_SECONDS = 0.1
LONGEST_LINE = 2_000
LAST_LINES = 10


class Console:
    """Writes in a thread, so that a paused terminal or a full pipe blocks nothing else.

    It writes to file descriptors: Python aborts at exit if a thread holds the lock of sys.stdout.
    """

    def __init__(self) -> None:
        self._texts: SimpleQueue[tuple[int, str]] = SimpleQueue()
        self._logs: list[tuple[str, BufferedReader]] = []
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def follow(self, name: str, log: Path) -> None:
        self._logs.append((name, log.open("rb")))

    def say(self, line: str, stream: int = STDOUT) -> None:
        self.show(_prefixed("stack", line), stream)

    def show(self, text: str, stream: int = STDOUT) -> None:
        """Without a prefix, so that it can be copied."""
        self._texts.put((stream, text))

    def close(self) -> None:
        self._is_closed.set()
        self._thread.join(1)

    def _run(self) -> None:
        while not (self._is_closed.is_set() and self._texts.empty()):
            try:
                stream, text = self._texts.get(timeout=TICK_SECONDS)
            except Empty:
                text = ""
            # First what was logged before the stack said its line.
            self._write_logs()
            if text:
                _write(stream, text)
        self._write_logs()

    def _write_logs(self) -> None:
        for name, log in tuple(self._logs):
            while line := log.readline(LONGEST_LINE):
                if not line.endswith(b"\n") and len(line) < LONGEST_LINE:
                    # The rest has not been written yet.
                    log.seek(-len(line), os.SEEK_CUR)
                    break
                _write(STDOUT, _prefixed(name, printable(line)))


def _prefixed(name: str, line: str) -> str:
    return f"{name:<12} | {line}"


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
