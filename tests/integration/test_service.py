"""A service as a process: its health follows the store, it drains, and it reports what is wrong."""

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import cast

import grpc
import httpx
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from levelgate.member.v1 import member_level_pb2 as pb
from operations.commands.demo import prepare
from services.runtime.error_catalogue import REASONS
from services.store import keys
from services.store.client import connect
from tests.integration.conftest import SERVERS, ServerProcess, server, store_settings
from tests.stack.waiting import free_ports, until
from tests.support.service import Service, running_service

ROOT = Path(__file__).resolve().parents[2]
SHOW = "levelgate.member.v1.MemberLevel"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, ServerProcess]]:
    """A service and its store, for tests that stop neither of them."""
    directory = tmp_path_factory.mktemp("shared")
    with (
        server(SERVERS["valkey"], directory) as store,
        running_service(store.address, directory / "service.log") as started,
    ):
        started.token = prepare(store.address).token
        started.wait_for("SERVING")
        yield started, store


def counted(service: Service, code: str) -> float:
    text = httpx.get(f"http://127.0.0.1:{service.metrics_port}/metrics").text
    labels = f'grpc_code="{code}",grpc_method="ShowUser",grpc_service="{SHOW}"'
    name = f"grpc_server_handled_total{{{labels}}} "
    lines = [line for line in text.splitlines() if line.startswith(name)]
    return sum(float(line.split()[-1]) for line in lines)


def call_that_waits(service: Service, store: ServerProcess) -> "Future[pb.ShowUserResponse]":
    """Starts a call that stays in progress until the store continues."""
    os.kill(store.process.pid, signal.SIGSTOP)
    call = service.members.ShowUser.future(
        pb.ShowUserRequest(user_id="5"), timeout=30, metadata=service.metadata
    )
    # This later call is answered on another thread; by then the first call has reached the service.
    service.status()
    return call  # type: ignore[return-value]  # grpc's future has the shape


def test_health_follows_the_store(service: Service, store_server: ServerProcess) -> None:
    assert service.status(SHOW) == "SERVING"
    assert service.status("no.such.Service") == "NOT_FOUND"
    store_server.process.kill()
    store_server.process.wait()
    service.wait_for("NOT_SERVING")
    with pytest.raises(grpc.RpcError) as raised:
        service.show()
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_service_waits_for_a_store_that_starts_later(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with running_service(f"redis://127.0.0.1:{port}/0", tmp_path / "service.log") as service:
        service.wait_for("NOT_SERVING")
        with server(SERVERS["valkey"], tmp_path, port):
            service.wait_for("SERVING")


def test_a_call_to_a_silent_store_fails_within_its_deadline(
    service: Service, store_server: ServerProcess
) -> None:
    os.kill(store_server.process.pid, signal.SIGSTOP)
    with pytest.raises(grpc.RpcError) as raised:
        service.show(timeout=0.5)
    assert raised.value.code() in {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
    os.kill(store_server.process.pid, signal.SIGCONT)
    until(lambda: service.status() == "SERVING", "recovery")
    assert service.show().data.level == 5


def test_a_short_deadline_does_not_count_as_a_failure_of_the_store(
    service: Service, store_server: ServerProcess
) -> None:
    os.kill(store_server.process.pid, signal.SIGSTOP)
    for timeout in (0.01, 0.05):
        with pytest.raises(grpc.RpcError):
            service.show(timeout=timeout)
    os.kill(store_server.process.pid, signal.SIGCONT)
    until(lambda: service.lines.count('"ms"') == 2, "a line for each call")
    assert service.lines.count('"code": "DEADLINE_EXCEEDED"') == 2
    assert '"level": "error"' not in service.lines


def test_after_sigterm_health_is_not_serving_and_calls_in_progress_finish(
    service: Service, store_server: ServerProcess
) -> None:
    call = call_that_waits(service, store_server)
    service.process.send_signal(signal.SIGTERM)
    until(lambda: service.status() == "NOT_SERVING", "NOT_SERVING after SIGTERM")
    os.kill(store_server.process.pid, signal.SIGCONT)
    assert call.result(10).data.level == 5
    assert service.process.wait(10) == 0


def test_the_process_waits_for_calls_in_progress_after_draining(
    store_server: ServerProcess, tmp_path: Path
) -> None:
    demo = prepare(store_server.address)
    log = tmp_path / "service.log"
    with running_service(store_server.address, log, MEMBER_LEVEL_DRAIN_SECONDS="0") as service:
        service.token = demo.token
        service.wait_for("SERVING")
        call = call_that_waits(service, store_server)
        service.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(1)
        os.kill(store_server.process.pid, signal.SIGCONT)
        assert call.result(10).data.level == 5
        assert service.process.wait(10) == 0


def test_a_second_signal_ends_the_process_immediately(
    service: Service, store_server: ServerProcess
) -> None:
    call_that_waits(service, store_server)
    service.process.send_signal(signal.SIGTERM)
    until(lambda: '"draining"' in service.lines, "draining")
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(5) == 1


def test_reflection_lists_the_services(shared: tuple[Service, ServerProcess]) -> None:
    database = ProtoReflectionDescriptorDatabase(shared[0].channel)
    assert SHOW in set(database.get_services())


def test_the_metrics_port_names_its_paths(shared: tuple[Service, ServerProcess]) -> None:
    reply = httpx.get(f"http://127.0.0.1:{shared[0].metrics_port}/")
    assert (reply.status_code, "/metrics" in reply.text) == (404, True)


def test_metrics_also_count_refused_calls(
    shared: tuple[Service, ServerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, _ = shared
    before = {code: counted(service, code) for code in ("OK", "UNAUTHENTICATED")}
    service.show()
    monkeypatch.setattr(service, "token", "wrong")
    with pytest.raises(grpc.RpcError):
        service.show()
    for code, count in before.items():
        assert counted(service, code) == count + 1


def test_logs_contain_the_request_id_and_nothing_that_was_sent(
    shared: tuple[Service, ServerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, _ = shared
    with pytest.raises(grpc.RpcError) as raised:
        service.show(user="somebodys-openid")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    token = service.token
    monkeypatch.setattr(service, "token", "a-wrong-token")
    with pytest.raises(grpc.RpcError):
        service.show()
    until(lambda: "UNAUTHENTICATED" in service.lines, "the refusal in the log")
    assert '"request_id": "rid-42"' in service.lines
    for secret in (token, "a-wrong-token", "somebodys-openid"):
        assert secret not in service.lines


def test_a_bug_is_internal_with_a_request_id_and_without_its_text(
    shared: tuple[Service, ServerProcess],
) -> None:
    service, store_server = shared
    store = connect(store_settings(store_server.port))
    store.set(keys.Buckets().of("corrupt").record("corrupt"), b"\x63 from-the-future")
    with pytest.raises(grpc.RpcError) as raised:
        service.show(user="corrupt")
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert raised.value.details() == REASONS["INTERNAL"].message
    status = rpc_status.from_call(cast(grpc.Call, raised.value))
    assert status is not None
    assert b"rid-42" in status.SerializeToString()
    until(lambda: "UnknownFormatError" in service.lines, "the bug in the log")
    assert "from-the-future" not in service.lines


def test_calls_over_the_limit_are_refused(store_server: ServerProcess, tmp_path: Path) -> None:
    demo = prepare(store_server.address)
    limits = {"MEMBER_LEVEL_MAXIMUM_CONCURRENT_RPCS": "4", "MEMBER_LEVEL_THREADS": "2"}
    with running_service(store_server.address, tmp_path / "service.log", **limits) as service:
        service.token = demo.token
        service.wait_for("SERVING")
        os.kill(store_server.process.pid, signal.SIGSTOP)
        calls = [
            service.members.ShowUser.future(
                pb.ShowUserRequest(user_id="5"), timeout=20, metadata=service.metadata
            )
            for _ in range(12)
        ]
        until(lambda: sum(call.done() for call in calls) >= 8, "eight refusals")
        os.kill(store_server.process.pid, signal.SIGCONT)
        codes = [call.code() for call in calls]
        assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) >= 8


@pytest.mark.parametrize("transport", ["envoy", "grpcio"])
def test_a_port_in_use_is_reported_in_one_line(
    shared: tuple[Service, ServerProcess], tmp_path: Path, transport: str
) -> None:
    first, store = shared
    for setting, port, problem in (
        ("MEMBER_LEVEL_PORT", first.port, "cannot listen on"),
        ("MEMBER_LEVEL_METRICS_PORT", first.metrics_port, "cannot serve metrics on"),
    ):
        taken = {setting: str(port), "MEMBER_LEVEL_SERVER": transport}
        second = Service(store.address, tmp_path / setting, **taken)
        assert second.process.wait(15) == 1
        (line,) = [line for line in second.lines.splitlines() if problem in line]
        assert str(port) in line
        assert "Traceback" not in second.lines
