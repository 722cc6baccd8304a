"""Starts components stage by stage, watches them, and stops them in reverse order.

docs/adr/0003-process-supervisor.md says why no existing process manager does this.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from operations.local_stack.components import Component
from operations.local_stack.console import STDERR, Console, last_lines
from operations.local_stack.preflight import StackError

POLL_SECONDS = 0.05

# 143 is how a shell reports a child that SIGTERM ended.
STOPPED_NORMALLY = (0, -signal.SIGTERM, 128 + signal.SIGTERM)


class StopRequestedError(Exception):
    """A signal asked the run to stop."""


class Child:
    """A component that was started."""

    def __init__(self, component: Component, logs: Path) -> None:
        self.name, self.probe = component.name, component.probe
        self.log = logs / f"{self.name}.log"
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".previous.log"))
        # For Linux: the kernel sends SIGTERM when the stack itself is killed.
        setpriv = shutil.which("setpriv")
        ends_with_us = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        # The component writes to the file itself: through a pipe, a paused terminal would block
        # it. In append mode, because Envoy opens /dev/stdout again.
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(  # noqa: S603 - the commands are ours
                [*ends_with_us, *component.command],
                env=component.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                # Otherwise Ctrl-C would reach all components at once.
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kills its process group, with what is left of its own children."""
        # macOS reports EPERM for a group of zombies.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def error(self, problem: str) -> StackError:
        """Names the component, the problem and its last log lines."""
        text = f"{self.name} {problem}; the end of {self.log}:"
        return StackError("\n    ".join([text, *last_lines(self.log)]))

    def ended(self) -> StackError:
        """The error of a component that ended by itself."""
        code = self.process.returncode
        how = f"with {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return self.error(f"ended {how}")


@dataclass
class Supervisor:
    """One run of the stack."""

    logs: Path
    console: Console
    start_seconds: float = 60.0
    stop_seconds: float = 30.0
    _stages: list[list[Child]] = field(default_factory=list)
    _is_signalled: bool = False
    _exit_code: int = 0

    def run(
        self, stages: Sequence[Sequence[Component]], serving: AbstractContextManager[None]
    ) -> int:
        """Returns the exit code when everything has stopped.

        `serving` is entered when all components are healthy and left before the first is stopped.
        """
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            # A closed terminal stops the stack too, unless it was started with nohup.
            signal.signal(signal.SIGHUP, self._on_signal)
        try:
            for stage in stages:
                self._start(stage)
            with serving:
                while True:
                    self._pause()
        except StopRequestedError:
            pass
        except StackError as error:
            self._fail(error)
        finally:
            for children in reversed(self._stages):
                self._stop(children)
            self.console.say("all components have stopped")
        return self._exit_code

    def _start(self, stage: Sequence[Component]) -> None:
        """Returns when the whole stage is healthy."""
        children: list[Child] = []
        self._stages.append(children)
        for component in stage:
            children.append(Child(component, self.logs))
            self.console.follow(component.name, children[-1].log)
        deadline = time.monotonic() + self.start_seconds
        for child in children:
            while (reason := child.probe()) is not None:
                self._pause()
                if time.monotonic() > deadline:
                    raise child.error(f"is not healthy after {self.start_seconds:g} s ({reason})")
            self.console.say(f"{child.name} is healthy (process {child.process.pid})")

    def _stop(self, children: Sequence[Child]) -> None:
        running = [child for child in children if child.process.poll() is None]
        for child in running:
            self.console.say(f"stopping {child.name}")
            child.process.terminate()
        deadline = time.monotonic() + self.stop_seconds
        for child in running:
            try:
                code = child.process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                problem = f"did not stop within {self.stop_seconds:g} s and was killed"
                self._fail(child.error(problem))
            else:
                if code not in STOPPED_NORMALLY:
                    self._fail(child.ended())
        for child in children:
            # Also after a normal end: an Envoy whose parent crashed would keep the port.
            child.kill()
            child.process.wait()

    def _fail(self, error: StackError) -> None:
        self._exit_code = 1
        self.console.say(str(error), STDERR)

    def _pause(self) -> None:
        """Waits a moment. Raises what ends the run: StopRequestedError or StackError."""
        if self._is_signalled:
            raise StopRequestedError
        for child in (child for stage in self._stages for child in stage):
            if child.process.poll() is not None:
                raise child.ended()
        time.sleep(POLL_SECONDS)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if not self._is_signalled:
            self.console.say(f"{signal.Signals(number).name}: stopping in order")
        self._is_signalled = True
