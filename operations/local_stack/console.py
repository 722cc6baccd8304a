"""The foreground: the parts' log files, followed, and the stack's own lines among them."""

import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import cycle
from pathlib import Path

from operations.local_stack.log_lines import LogLine, read_line

TICK_SECONDS = 0.1
CLOSE_SECONDS = 1.0

RESET, RED, YELLOW, BOLD = "\033[0m", "\033[31m", "\033[33m", "\033[1m"
NAME_COLOURS = ("\033[36m", "\033[32m", "\033[35m", "\033[34m", "\033[33m")
LEVEL_COLOURS = {"warning": YELLOW, "warn": YELLOW, "error": RED, "critical": RED, "exception": RED}


def wants_colour(stream: int, environment: Mapping[str, str]) -> bool:
    return os.isatty(stream) and not environment.get("NO_COLOR")


class Console:
    """Writes from a thread of its own, so that a paused terminal or a full pipe stalls nothing.

    It writes to file descriptors: Python aborts at exit when a thread still holds sys.stdout.
    """

    def __init__(self, out: int, err: int, *, names: Iterable[str], colour: bool) -> None:
        self._out, self._err = out, err
        self._width = max(len(name) for name in (*names, "stack"))
        self._colour = colour
        self._colours = cycle(NAME_COLOURS)
        self._own: deque[tuple[int, str]] = deque()
        self._tails: list[tuple[str, Tail]] = []
        self._news = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._write, name="console", daemon=True)
        self._thread.start()

    def follow(self, name: str, log: Path) -> None:
        prefix = self._painted(f"{name:<{self._width}} |", next(self._colours))
        self._tails.append((prefix, Tail(log)))

    def say(self, text: str) -> None:
        self._tell(self._out, self._own_line(text))

    def fail(self, text: str) -> None:
        first, *rest = text.splitlines()
        lines = [self._painted(self._own_line(first), RED), *(f"    {line}" for line in rest)]
        self._tell(self._err, "\n".join(lines))

    def show(self, text: str) -> None:
        """Without a prefix: to be copied."""
        self._tell(self._out, text)

    def close(self) -> None:
        self._closing = True
        self._news.set()
        self._thread.join(CLOSE_SECONDS)

    def _tell(self, stream: int, text: str) -> None:
        self._own.append((stream, text))
        # At once, so that what the parts say from now on stands below it.
        self._news.set()

    def _write(self) -> None:
        while not self._closing:
            self._news.wait(TICK_SECONDS)
            self._news.clear()
            self._write_news()
        self._write_news()
        for prefix, tail in self._tails:
            self._print(prefix, tail.rest())

    def _write_news(self) -> None:
        # Taken first, shown last: a line about a part stands below what the part said before.
        own = [self._own.popleft() for _ in range(len(self._own))]
        for prefix, tail in tuple(self._tails):
            self._print(prefix, tail.lines())
        for stream, text in own:
            self._put(stream, f"{text}\n")

    def _print(self, prefix: str, raws: Iterable[bytes]) -> None:
        now = datetime.now().astimezone()
        shown = [self._formatted(prefix, read_line(raw, now)) for raw in raws]
        if shown:
            self._put(self._out, "".join(shown))

    def _formatted(self, prefix: str, line: LogLine) -> str:
        colour = LEVEL_COLOURS.get(line.level, "")
        return "".join(
            f"{line.clock} {prefix} {self._painted(text, colour)}\n" for text in line.lines
        )

    def _own_line(self, text: str) -> str:
        name = self._painted(f"{'stack':<{self._width}} |", BOLD)
        return f"{datetime.now().astimezone():%H:%M:%S} {name} {text}"

    def _painted(self, text: str, colour: str) -> str:
        return f"{colour}{text}{RESET}" if self._colour and colour else text

    def _put(self, stream: int, text: str) -> None:
        data = text.encode(errors="backslashreplace")
        try:
            while data:
                data = data[os.write(stream, data) :]
        except OSError:
            # The terminal or the reader is gone. The log files have it all.
            return


class Tail:
    """What a log file has got since the last look, in bounded bites."""

    LONGEST = 64 * 1024
    BEHIND = 1024 * 1024

    def __init__(self, log: Path) -> None:
        self._log = log
        self._file = log.open("rb")
        self._partial = b""

    def lines(self) -> list[bytes]:
        skipped = self._skip()
        *whole, partial = (self._partial + self._file.read(self.BEHIND)).split(b"\n")
        # The start of a line that never ends; the reader cuts it far earlier.
        self._partial = partial[: self.LONGEST]
        return skipped + whole

    def rest(self) -> list[bytes]:
        """A last line without an end, as a process that was killed leaves it."""
        partial, self._partial = self._partial, b""
        self._file.close()
        return [partial] if partial else []

    def _skip(self) -> list[bytes]:
        """A foreground that was paused for an hour goes on with now."""
        behind = os.fstat(self._file.fileno()).st_size - self._file.tell()
        if behind <= self.BEHIND:
            return []
        self._file.seek(behind - self.LONGEST, os.SEEK_CUR)
        self._file.readline()
        self._partial = b""
        return [f"... {behind - self.LONGEST} bytes not shown: {self._log}".encode()]
