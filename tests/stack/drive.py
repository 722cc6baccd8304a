"""Runs the supervisor over stand-ins: drive.py DIRECTORY START_SECONDS STOP_SECONDS STAGE...

A stage is `name:behaviour:behaviour,name`. A process of its own, to be signalled and killed.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from operations.local_stack.component import Part
from operations.local_stack.console import Console
from operations.local_stack.supervisor import Supervisor

PART = Path(__file__).with_name("part.py")


def stand_in(word: str, journal: Path) -> Part:
    name, *behaviours = word.split(":")
    command = (sys.executable, "-I", "-S", str(PART), name, str(journal), *behaviours)
    return Part(name, command, os.environ, healthy(name, journal))


def healthy(name: str, journal: Path) -> Callable[[], str | None]:
    def probe() -> str | None:
        lines = journal.read_text().splitlines() if journal.exists() else []
        return None if f"healthy {name}" in lines else "not in the journal"

    return probe


@asynccontextmanager
async def open_doors(console: Console) -> AsyncIterator[None]:
    console.show("open")
    try:
        yield
    finally:
        console.show("closed")


async def run() -> int:
    directory, start, stop, *stages = sys.argv[1:]
    journal = Path(directory) / "journal"
    parts = [[stand_in(word, journal) for word in stage.split(",")] for stage in stages]
    names = [part.name for stage in parts for part in stage]
    console = Console(1, 2, names=names, colour=False)
    supervisor = Supervisor(
        parts, Path(directory), console, start_seconds=float(start), stop_seconds=float(stop)
    )
    try:
        return await supervisor.run(open_doors(console))
    finally:
        console.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
