"""The whole of levelgate on this machine, in the foreground: `make run`.

    python -m operations.local_stack

Settings: operations/local_stack/settings.py; the parts get every other variable.
"""

import asyncio
import os
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from operations.commands.demo import Demo, prepare
from operations.local_stack.component_settings import check_part_settings
from operations.local_stack.components import stack_parts
from operations.local_stack.connection_file import banner, write_summary
from operations.local_stack.console import Console, wants_colour
from operations.local_stack.preflight import StackError, check_ports, claimed
from operations.local_stack.probes import store_answers
from operations.local_stack.settings import StackSettings, read_settings
from operations.local_stack.supervisor import Supervisor
from operations.local_stack.threads import in_thread


def main() -> int:
    try:
        settings = read_settings()
        with claimed(settings.stack_directory):
            # A killed run leaves its file, which would name ports where nobody answers.
            _summary_path(settings).unlink(missing_ok=True)
            check_part_settings()
            check_ports(settings.ports)
            if settings.redis_url:
                _check_given_store(settings.redis_url)
            return asyncio.run(_run(settings))
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        # Before the first part was started: from there on Ctrl-C is the supervisor's.
        return 1


def _check_given_store(url: str) -> None:
    if reason := store_answers(url)():
        raise StackError(f"the store of REDIS_URL does not answer: {reason}")


async def _run(settings: StackSettings) -> int:
    stages = stack_parts(settings)
    logs = settings.stack_directory / "logs"
    logs.mkdir(exist_ok=True)
    out = sys.stdout.fileno()
    console = Console(
        out,
        sys.stderr.fileno(),
        names=[part.name for stage in stages for part in stage],
        colour=wants_colour(out, os.environ),
    )
    supervisor = Supervisor(
        stages,
        logs,
        console,
        start_seconds=settings.stack_start_seconds,
        stop_seconds=settings.stack_stop_seconds,
    )
    try:
        return await supervisor.run(_open_doors(settings, console, logs))
    finally:
        console.close()


@asynccontextmanager
async def _open_doors(settings: StackSettings, console: Console, logs: Path) -> AsyncIterator[None]:
    """From the moment all parts are healthy until the first is told to stop."""
    demo = await _demo(settings.store_url, logs / "demo.log")
    summary = _summary_path(settings)
    write_summary(summary, settings, demo)
    try:
        console.show(banner(settings, demo, summary, logs))
        yield
    finally:
        summary.unlink(missing_ok=True)


async def _demo(store_url: str, log: Path) -> Demo:
    log.unlink(missing_ok=True)
    try:
        return await in_thread(partial(prepare, store_url))
    except Exception as error:
        log.write_text(traceback.format_exc())
        raise StackError(f"the demo data could not be loaded: {error!r}; see {log}") from error


def _summary_path(settings: StackSettings) -> Path:
    return settings.stack_directory / "stack.json"


if __name__ == "__main__":
    sys.exit(main())
