"""Starts parts in order, each stage once the one before is healthy; stops them in reverse.

docs/adr/0003-process-supervisor.md says why no kept process manager does this.
"""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from operations.local_stack.child import Child
from operations.local_stack.component import Part
from operations.local_stack.console import Console
from operations.local_stack.log_lines import last_lines
from operations.local_stack.preflight import StackError
from operations.local_stack.threads import in_thread

POLL_SECONDS = 0.05
LAST_LINES = 10

# One wish may arrive several times: `timeout` and systemd signal the whole group, and make passes
# on what it gets. A second wish takes a person longer than this.
BURST_SECONDS = 0.25

# What a part that was told to stop may end with: 143 is a shell's word for SIGTERM.
DRAINED = (0, -signal.SIGTERM, 128 + signal.SIGTERM)


class Supervisor:
    """One run of the stack."""

    def __init__(
        self,
        stages: Sequence[Sequence[Part]],
        logs: Path,
        console: Console,
        *,
        start_seconds: float,
        stop_seconds: float,
    ) -> None:
        self._stages = stages
        self._logs = logs
        self._console = console
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        # Every part that was started, and the task that sees its end.
        self._watches: dict[Child, asyncio.Task[None]] = {}
        # The first reason to end: None for a signal.
        self._end: asyncio.Future[StackError | None] = asyncio.get_running_loop().create_future()
        self._signalled_at: float | None = None
        self._killed: set[Child] = set()
        self._clean = True

    async def run(self, open_doors: AbstractAsyncContextManager[None]) -> int:
        """The exit code, once nothing runs any more.

        `open_doors` is entered when all parts are healthy and left before the first is stopped.
        """
        self._listen()
        try:
            if failure := await self._serve_until_end(open_doors):
                self._fail(str(failure))
        finally:
            await self._stop_all()
        self._console.say("all parts have ended")
        return 0 if self._clean else 1

    async def _serve_until_end(
        self, open_doors: AbstractAsyncContextManager[None]
    ) -> StackError | None:
        serving = asyncio.create_task(self._serve(open_doors))
        ends: list[asyncio.Future[Any]] = [serving, self._end]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        await asyncio.wait({serving})
        if self._end.done():
            return self._end.result()
        # A crash from here on belongs to the end that has begun.
        self._end.set_result(None)
        try:
            serving.result()
        except StackError as error:
            return error
        return None

    async def _serve(self, open_doors: AbstractAsyncContextManager[None]) -> None:
        for stage in self._stages:
            await self._await_health([await self._start(part) for part in stage])
        async with open_doors:
            await asyncio.Event().wait()

    async def _start(self, part: Part) -> Child:
        child = await Child.start(part, self._logs)
        self._console.follow(part.name, child.log)
        self._watches[child] = asyncio.create_task(self._watch(child))
        return child

    async def _await_health(self, stage: list[Child]) -> None:
        child, reason = stage[0], None
        try:
            async with asyncio.timeout(self._start_seconds):
                for child in stage:
                    while reason := await in_thread(child.part.probe):
                        await asyncio.sleep(POLL_SECONDS)
                    self._console.say(f"{child.part.name} is healthy (process {child.pid})")
        except TimeoutError:
            problem = f"was not healthy within {self._start_seconds:g} s"
            raise self._failure(child, f"{problem} ({reason or 'no answer'})") from None

    async def _watch(self, child: Child) -> None:
        """Name an end that nobody asked for, once, whenever it comes."""
        await child.wait()
        if not self._end.done():
            self._end.set_result(self._failure(child, child.how_it_ended()))
        elif child not in self._killed and child.exit_code not in DRAINED:
            self._fail(str(self._failure(child, f"{child.how_it_ended()} while stopping")))

    def _failure(self, child: Child, problem: str) -> StackError:
        tail = last_lines(child.log, LAST_LINES)
        where = f"; the last lines of {child.log}:" if tail else ""
        return StackError("\n".join([f"{child.part.name} {problem}{where}", *tail]))

    def _fail(self, text: str) -> None:
        self._clean = False
        self._console.fail(text)

    def _listen(self) -> None:
        wishes = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            # A closed terminal ends the stack too, unless nohup said otherwise.
            wishes.append(signal.SIGHUP)
        for wish in wishes:
            asyncio.get_running_loop().add_signal_handler(wish, self._signalled, wish)

    def _signalled(self, wish: signal.Signals) -> None:
        now = asyncio.get_running_loop().time()
        if self._signalled_at is None:
            self._signalled_at = now
            self._console.say(f"{wish.name}: stopping in order; once more ends all at once")
            if not self._end.done():
                self._end.set_result(None)
        elif now - self._signalled_at > BURST_SECONDS:
            self._console.say(f"{wish.name} again: ending all at once")
            for child in self._watches:
                self._kill(child)

    def _kill(self, child: Child) -> None:
        self._killed.add(child)
        self._clean = False
        child.kill()

    async def _stop_all(self) -> None:
        for stage in reversed(self._stages):
            children = [child for child in self._watches if child.part in stage]
            await asyncio.gather(*(self._stop(child) for child in children))

    async def _stop(self, child: Child) -> None:
        watch = self._watches[child]
        if not watch.done():
            self._console.say(f"stopping {child.part.name}")
            child.terminate()
        _, pending = await asyncio.wait({watch}, timeout=self._stop_seconds)
        if pending:
            self._fail(f"{child.part.name} did not stop within {self._stop_seconds:g} s: killed")
            self._kill(child)
        await watch
