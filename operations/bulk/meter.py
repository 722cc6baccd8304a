"""How far it is, on standard error: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

_LINE_SECONDS = 5.0


class Meter:
    """Counts up to a total; the total is bytes of an import or percent of an export."""

    def __init__(self, bar: "tqdm[Any]") -> None:
        self._bar = bar
        self._told = time.monotonic()

    def reach(self, done: int, rows: int) -> None:
        self._bar.set_postfix_str(f"{rows} rows", refresh=False)
        self._bar.update(done - self._bar.n)
        now = time.monotonic()
        if self._bar.disable and now - self._told >= _LINE_SECONDS:
            self._told = now
            self.say(f"{rows} rows")

    def say(self, line: str) -> None:
        tqdm.write(line, file=sys.stderr)


@contextmanager
def meter(total: int, *, unit: str, start: int = 0) -> Iterator[Meter]:
    is_terminal = sys.stderr.isatty()
    bar: tqdm[Any] = tqdm(
        total=total,
        initial=start,
        unit=unit,
        unit_scale=unit == "B",
        file=sys.stderr,
        disable=not is_terminal,
    )
    with bar:
        yield Meter(bar)
