"""One service as a process, for tests of its start, its end and its behaviour."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from levelgate.member.v1 import member_level_pb2 as pb
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from tests.stack.waiting import free_ports, until

ROOT = Path(__file__).resolve().parents[2]


class Service:
    """A service, and a channel to it. Settings are environment variables."""

    def __init__(self, store: str, log: Path, name: str = "member_level", **settings: str) -> None:
        prefix = name.upper()
        self.name, self.store = name, store
        self.port, self.metrics_port = free_ports(2)
        self.log = log
        self.token = ""
        self.settings = settings
        self._environment = {
            **os.environ,
            "REDIS_URL": store,
            "REDIS_TIMEOUT_SECONDS": "5",
            f"{prefix}_PORT": str(self.port),
            f"{prefix}_METRICS_PORT": str(self.metrics_port),
            f"{prefix}_DRAIN_SECONDS": "0.5",
            f"{prefix}_HEALTH_INTERVAL_SECONDS": "0.1",
            **settings,
        }
        self.start()
        # By default it tries only after 1, 2.6 and 5 s again whether the service listens.
        often = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}", often)
        self.members = MemberLevelStub(self.channel)

    def start(self) -> None:
        """Starts the process for the first time, or again after its end."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"services.{self.name}"],
                cwd=ROOT,
                env=self._environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def lines(self) -> str:
        return self.log.read_text()

    def status(self, service: str = "") -> str:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            reply = HealthStub(self.channel).Check(request, timeout=5)  # type: ignore[attr-defined]
        except grpc.RpcError as error:
            return str(error.code().name)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))

    def wait_for(self, status: str) -> None:
        def reached() -> bool:
            assert self.process.poll() is None, self.lines
            return self.status() == status

        until(reached, f"{status}\n{self.lines}")

    def show(self, user: str = "5", timeout: float = 5) -> pb.ShowUserResponse:
        return self.members.ShowUser(
            pb.ShowUserRequest(user_id=user), timeout=timeout, metadata=self.metadata
        )

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", self.token), ("x-request-id", "rid-42"))


@contextmanager
def running_service(
    store: str, log: Path, name: str = "member_level", **settings: str
) -> Iterator[Service]:
    """Always kills the service at the end of the block."""
    service = Service(store, log, name, **settings)
    try:
        yield service
    finally:
        service.channel.close()
        service.process.kill()
        service.process.wait(10)
