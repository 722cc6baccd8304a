"""Starts components, passes their logs on, and stops them in reverse order.

docs/adr/0003-process-supervisor.md says why no existing process manager does this.
"""

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TypeVar

from operations.local_stack.components import Component, NotReadyError
from operations.local_stack.preflight import StackError

STDOUT = 1
POLL_SECONDS = 0.05
START_SECONDS = 60.0
# Even if every byte is escaped, a pipe that is ready takes such a line at once (PIPE_BUF).
LONGEST_LINE = 1_000
LINES_AT_A_TIME = 1_000

T = TypeVar("T")


class StopRequestedError(Exception):
    """A signal asked the run to stop."""


def show(line: str) -> None:
    """Writes a line, unless nobody reads: a full pipe must not delay the stop."""
    if _is_read():
        with suppress(OSError):
            os.write(STDOUT, f"{line}\n".encode())


def _is_read() -> bool:
    try:
        return bool(select.select([], [STDOUT], [], POLL_SECONDS)[1])
    except OSError:
        return False


def _say(line: str, name: str = "stack") -> None:
    show(f"{name:<12} | {line}")


class Child:
    """A component that was started."""

    def __init__(self, component: Component, logs: Path) -> None:
        self.name = component.name
        self.log = logs / f"{self.name}.log"
        # For Linux: the kernel sends SIGTERM when the stack itself is killed.
        setpriv = shutil.which("setpriv")
        ends_with_us = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        self.log.unlink(missing_ok=True)
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
        self._new_lines = self.log.open("rb")

    def pass_log_on(self) -> None:
        # A limited number, so that a log that grows faster than it is shown does not delay a stop.
        for _ in range(LINES_AT_A_TIME):
            if not _is_read() or not (line := self._new_lines.readline(LONGEST_LINE)):
                return
            _say(_printable(line), self.name)

    def stop(self, seconds: float) -> None:
        _say(f"stopping {self.name}")
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            _say(f"{self.name} did not stop within {seconds:g} s and is killed")
        # Also after a normal end: an Envoy whose parent crashed would keep the port. macOS reports
        # EPERM for a group of zombies.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.pass_log_on()
        self._new_lines.close()


class Supervisor:
    """One run of the stack: a context, at whose end everything has stopped."""

    def __init__(self, logs: Path, stop_seconds: float = 30) -> None:
        self._logs, self._stop_seconds = logs, stop_seconds
        self._children: list[Child] = []
        self._is_signalled = Event()

    def __enter__(self) -> "Supervisor":
        self._logs.mkdir(exist_ok=True)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # With nohup, the stack outlives its terminal.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: self._is_signalled.set())
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> bool:
        for child in reversed(self._children):
            child.stop(self._stop_seconds)
        _say("all components have stopped")
        return isinstance(error, StopRequestedError)

    def start(self, component: Component) -> None:
        child = Child(component, self._logs)
        self._children.append(child)
        _say(f"started {child.name} (process {child.process.pid})")

    def until_ready(self, check: Callable[[], T], seconds: float = START_SECONDS) -> T:
        """Returns what the check returns. Raises StopRequestedError, StackError."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return check()
            except NotReadyError as error:
                if time.monotonic() > deadline:
                    raise StackError(str(error)) from error
            self.wait()

    def wait(self) -> None:
        """Waits a moment. Raises StopRequestedError, or StackError when a component has ended."""
        self._is_signalled.wait(POLL_SECONDS)
        if self._is_signalled.is_set():
            raise StopRequestedError
        for child in self._children:
            code = child.process.poll()
            # Before the message that it has ended, so that the reason is above it.
            child.pass_log_on()
            if code is not None:
                how = f"with {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
                raise StackError(f"{child.name} ended {how}; its log is {child.log}")


def _printable(line: bytes) -> str:
    """Escapes control characters, which a terminal would obey: callers can put them into a path."""
    text = line.decode(errors="backslashreplace").rstrip("\r\n")
    return "".join(
        each if each.isprintable() or each == "\t" else ascii(each)[1:-1] for each in text
    )
