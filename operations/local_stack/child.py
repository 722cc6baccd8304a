"""One running part: its process, its log file, its end."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from operations.local_stack import stop_with_parent
from operations.local_stack.component import Part


class Child:
    """A part that was started.

    It writes into its log file itself. A pipe would tie it to whoever reads: it would hang while
    a terminal is paused and lose its last words when the stack is killed.
    """

    def __init__(self, part: Part, process: asyncio.subprocess.Process, log: Path) -> None:
        self.part = part
        self.log = log
        self._process = process

    @classmethod
    async def start(cls, part: Part, logs: Path) -> Self:
        log = logs / f"{part.name}.log"
        if log.exists():
            # The former run's, which may have crashed, survives one more start.
            log.replace(log.with_suffix(".previous.log"))
        # Appending: an Envoy that opens /dev/stdout anew must not write over the rest.
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *_tethered(part.command),
                env=part.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                # Ctrl-C reaches the whole foreground group: parts out of it stop when told to.
                start_new_session=True,
            )
        return cls(part, process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._process.returncode

    async def wait(self) -> None:
        await self._process.wait()
        # What it started is in its group, and would keep its ports: an Envoy whose parent died.
        self._signal_group()

    def terminate(self) -> None:
        if self.exit_code is None:
            # To it alone: how its own children are to end is its business. Not by Popen, which
            # would first ask after the process and so take its exit code from asyncio.
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        if self.exit_code is None:
            self._signal_group()

    def _signal_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            # Nobody is left. macOS says EPERM for a group of which only the dead are left.
            return

    def how_it_ended(self) -> str:
        code = self.exit_code
        if code is None or code >= 0:
            return f"ended with exit code {code}"
        return f"was ended by {signal.Signals(-code).name}"


def _tethered(command: Sequence[str]) -> list[str]:
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", stop_with_parent.__file__, str(os.getpid()), *command]
