"""How far it is, on standard error: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

_LINE_SECONDS = 5.0


class Meter:
    """Counts up to a total: bytes of an import, percent of an export. Rows are counted besides."""

    def __init__(self, bar: "tqdm[Any]", rows: int) -> None:
        self._bar = bar
        self._done = bar.n
        self._rows_before = rows
        self._began = self._told = time.monotonic()

    def reach(self, done: int, rows: int) -> None:
        now = time.monotonic()
        speed = (rows - self._rows_before) / max(now - self._began, 0.001)
        text = f"{rows:,} rows, {speed:,.0f} rows/s"
        self._bar.set_postfix_str(text, refresh=False)
        # A bar that is not shown does not count.
        self._bar.update(done - self._done)
        self._done = done
        if self._bar.disable and now - self._told >= _LINE_SECONDS:
            self._told = now
            part = f"{100 * done // self._bar.total} %, " if self._bar.total else ""
            self.say(part + text)

    def say(self, line: str) -> None:
        tqdm.write(line, file=sys.stderr)


@contextmanager
def meter(total: int, *, unit: str, start: int = 0, rows: int = 0) -> Iterator[Meter]:
    """`start` of the total and `rows` are done already. A total of 0 is not known."""
    bar: tqdm[Any] = tqdm(
        total=total or None,
        initial=start,
        unit=unit,
        unit_scale=unit == "B",
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        yield Meter(bar, rows)
