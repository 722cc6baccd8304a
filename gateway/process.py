"""The gateway's process: what signals make of the Envoy in it."""

import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from gateway.drain import drain
from gateway.envoy import Generations, refusal
from gateway.render import render
from gateway.settings import GatewaySettings

# A signal may go to any thread, but Python runs its handler when the main thread wakes.
_WAKE_SECONDS = 0.5


class GatewayProcess:
    """Runs Envoy until SIGTERM or SIGINT, which drain it; a second one ends it at once.

    SIGHUP is a hot restart: configuration, filter and descriptor set are read anew, and an Envoy
    with them takes over the listening sockets, while the one before finishes what it has begun.
    """

    def __init__(self, settings: GatewaySettings, config: Path) -> None:
        self._settings = settings
        self._config = config
        # A signal's number, or an Envoy that has ended.
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._envoys = Generations(settings, self._events)
        self._is_ending = False
        self._is_restart_wanted = False

    def run(self) -> int:
        """Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: self._events.put(number))
        self._envoys.start(self._config)
        try:
            code = 0
            while not self._envoys.is_over:
                try:
                    event = self._events.get(timeout=_WAKE_SECONDS)
                except queue.Empty:
                    continue
                if isinstance(event, subprocess.Popen):
                    code = self._on_ended(event)
                elif event == signal.SIGHUP:
                    self._restart()
                else:
                    self._end()
            return code
        finally:
            self._envoys.clean_up()

    def _on_ended(self, envoy: "subprocess.Popen[bytes]") -> int:
        was_replaced = self._envoys.forget(envoy)
        if not self._envoys.is_over:
            _say("hot restart is done" if was_replaced else "the new Envoy ended; the old goes on")
            if self._is_restart_wanted:
                self._is_restart_wanted = False
                self._restart()
        is_good = self._is_ending and envoy.returncode == 0
        return 0 if is_good else envoy.returncode or 1

    def _end(self) -> None:
        if self._is_ending:
            self._envoys.kill()
            return
        self._is_ending = True

        def end() -> None:
            drain(self._settings)
            self._envoys.terminate()

        threading.Thread(target=end, name="drain").start()

    def _restart(self) -> None:
        if self._is_ending:
            return
        if self._envoys.is_restarting:
            # Envoy knows two generations at most.
            self._is_restart_wanted = True
            return
        before = self._config.read_text()
        try:
            self._config.write_text(render(self._settings))
        except (OSError, ValueError, KeyError) as error:
            _say(f"no hot restart: {type(error).__name__}: the configuration cannot be written")
            return
        if (why := refusal(self._config)) is not None:
            self._config.write_text(before)
            _say(f"no hot restart: Envoy refuses the configuration: {why}")
            return
        self._envoys.start(self._config)


def _say(line: str) -> None:
    sys.stderr.write(f"gateway: {line}\n")
    sys.stderr.flush()
