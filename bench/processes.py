"""A store and a member_level for one benchmark, and what they cost."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import redis

from bench.launch import HOST, Launch, Processes, launch_service, launch_store
from operations.commands.demo import prepare
from services.store.client import connect
from services.store.settings import StoreSettings
from services.store.store import Store

# The store logs commands that take longer than this, in microseconds.
_SLOW_MICROSECONDS = 1_000


class Bench:
    """The running pair; pass `metadata` with each call."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self._processes = Processes(directory)
        try:
            self._start(directory)
        except BaseException:
            self._processes.stop()
            raise

    def _start(self, directory: Path) -> None:
        self._processes.start("store", lambda port: _store(port, directory))
        port = self._processes.ports["store"]
        prefer(self._processes.running["store"].pid)
        self.address = f"redis://{HOST}:{port}/0"
        self.redis: Any = redis.Redis(host=HOST, port=port)
        demo = prepare(self.address)
        self._processes.start(
            "service", lambda port: launch_service("member_level", port, self.address)
        )
        self.service_address = f"{HOST}:{self._processes.ports['service']}"
        self.channel = grpc.insecure_channel(self.service_address)
        self.metadata = (("authorization", demo.token),)
        self.token = demo.token

    def client(self) -> Store:
        settings = StoreSettings.model_validate(
            {"url": self.address, "timeout_seconds": 30, "connect_seconds": 5}
        )
        return connect(settings)

    def cpu_seconds(self) -> float:
        """The CPU time that service and store have used."""
        return self._processes.cpu_seconds(["store", "service"])

    def memory(self) -> int:
        """Bytes that the store uses."""
        return int(self.redis.info("memory")["used_memory"])

    def longest_block(self) -> tuple[float, str]:
        """The longest command since the last call: its milliseconds, and the start of its text."""
        found = self.redis.slowlog_get(100_000)
        entries = [each for each in found if not each["command"].startswith(b"SLOWLOG")]
        self.redis.slowlog_reset()
        slowest = max(entries, key=lambda each: each["duration"], default=None)
        if slowest is None:
            return _SLOW_MICROSECONDS / 1_000, ""
        return slowest["duration"] / 1_000, slowest["command"][:20].decode(errors="replace")

    def record_reads(self) -> int:
        """How often a value was read with GET or MGET."""
        statistics = self.redis.info("commandstats")
        return sum(
            int(statistics.get(f"cmdstat_{command}", {"calls": 0})["calls"])
            for command in ("get", "mget")
        )

    def close(self) -> None:
        self.channel.close()
        self._processes.stop()


@contextmanager
def running(directory: Path) -> Iterator[Bench]:
    bench = Bench(directory)
    try:
        yield bench
    finally:
        bench.close()


def _store(port: int, directory: Path) -> Launch:
    slowest = str(_SLOW_MICROSECONDS)
    options = ("--slowlog-max-len", "100000", "--slowlog-log-slower-than", slowest)
    return launch_store(port, directory, *options)


def prefer(pid: int) -> None:
    """Gives the store a higher priority than its callers, as on a separate machine.

    Otherwise, with more busy processes than cores, the longest command would be the longest time
    for which the kernel ran another process.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, pid, -15)
    except PermissionError:
        sys.stderr.write("not root: the longest block includes waiting for a core\n")
