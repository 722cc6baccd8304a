"""Runs the supervisor over stand-ins: drive.py DIRECTORY START_SECONDS STOP_SECONDS STAGE...

A stage is written `name:behaviour,name`. It is a separate process, which tests signal and kill.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from operations.local_stack.components import Component
from operations.local_stack.console import Console
from operations.local_stack.supervisor import Supervisor

STAND_IN = Path(__file__).with_name("stand_in.py")


def stand_in(word: str, journal: Path) -> Component:
    name, *behaviours = word.split(":")
    command = (sys.executable, "-I", "-S", str(STAND_IN), name, str(journal), *behaviours)
    return Component(name, command, os.environ, healthy(name, journal))


def healthy(name: str, journal: Path) -> Callable[[], str | None]:
    def probe() -> str | None:
        lines = journal.read_text().splitlines() if journal.exists() else []
        return None if f"healthy {name}" in lines else "not in the journal"

    return probe


@contextmanager
def serving(console: Console) -> Iterator[None]:
    console.show("serving")
    try:
        yield
    finally:
        console.show("not serving")


def main() -> int:
    directory, start, stop, *words = sys.argv[1:]
    journal = Path(directory) / "journal"
    stages = [[stand_in(word, journal) for word in stage.split(",")] for stage in words]
    console = Console()
    supervisor = Supervisor(
        Path(directory), console, start_seconds=float(start), stop_seconds=float(stop)
    )
    try:
        return supervisor.run(stages, serving(console))
    finally:
        console.close()


if __name__ == "__main__":
    sys.exit(main())
