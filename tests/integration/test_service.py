"""A service as a process: its health follows the store, it drains, and it reports what is wrong."""

import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
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
from tests.stack.waiting import free_ports, until
from tests.support.service import Service, running_service
from tests.support.store_server import SERVERS, ServerProcess, server, store_settings

SHOW = "levelgate.member.v1.MemberLevel"


# So small that a test can exceed it.
LIMITS = {"MEMBER_LEVEL_MAXIMUM_CONCURRENT_RPCS": "4", "MEMBER_LEVEL_THREADS": "2"}


@pytest.fixture(scope="module")
def store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The store of the file: each test lets it continue."""
    with server(SERVERS["valkey"], tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="module")
def shared(
    store_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("service") / "service.log"
    token = prepare(store_server.address).token
    with running_service(store_server.address, log, **LIMITS) as started:
        started.token = token
        yield started


@pytest.fixture
def service(shared: Service) -> Service:
    """The service of the file with an empty log, started again if an earlier test ended it."""
    if shared.process.poll() is not None:
        shared.start()
    shared.wait_for("SERVING")
    shared.log.write_text("")
    return shared


@contextmanager
def silent(store: ServerProcess) -> Iterator[None]:
    store.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        store.process.send_signal(signal.SIGCONT)


def counted(service: Service, code: str) -> float:
    text = httpx.get(f"http://127.0.0.1:{service.metrics_port}/metrics").text
    labels = f'grpc_code="{code}",grpc_method="ShowUser",grpc_service="{SHOW}"'
    name = f"grpc_server_handled_total{{{labels}}} "
    lines = [line for line in text.splitlines() if line.startswith(name)]
    return sum(float(line.split()[-1]) for line in lines)


def test_health_follows_the_store(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with running_service(f"redis://127.0.0.1:{port}/0", tmp_path / "service.log") as service:
        service.wait_for("NOT_SERVING")
        with server(SERVERS["valkey"], tmp_path, port) as later:
            service.token = prepare(later.address).token
            service.wait_for("SERVING")
            assert service.status(SHOW) == "SERVING"
            assert service.status("no.such.Service") == "NOT_FOUND"
            assert service.show().data.level == 5
            later.process.kill()
            later.process.wait()
            service.wait_for("NOT_SERVING")
            with pytest.raises(grpc.RpcError) as raised:
                service.show()
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_short_deadline_does_not_count_as_a_failure_of_the_store(
    service: Service, store_server: ServerProcess
) -> None:
    with silent(store_server):
        for timeout in (0.05, 0.1):
            with pytest.raises(grpc.RpcError):
                service.show(timeout=timeout)
    until(lambda: service.lines.count('"ms"') == 2, "a line for each call")
    assert service.lines.count('"code": "DEADLINE_EXCEEDED"') == 2
    assert '"level": "error"' not in service.lines


def test_a_call_to_a_silent_store_fails_within_its_deadline(
    service: Service, store_server: ServerProcess
) -> None:
    with silent(store_server), pytest.raises(grpc.RpcError) as raised:
        service.show(timeout=0.5)
    assert raised.value.code() in {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
    until(lambda: service.status() == "SERVING", "recovery")
    assert service.show().data.level == 5


def test_reflection_lists_the_services(service: Service) -> None:
    database = ProtoReflectionDescriptorDatabase(service.channel)
    assert SHOW in set(database.get_services())


def test_the_metrics_port_names_its_paths(service: Service) -> None:
    reply = httpx.get(f"http://127.0.0.1:{service.metrics_port}/")
    assert (reply.status_code, "/metrics" in reply.text) == (404, True)


def test_metrics_also_count_refused_calls(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {code: counted(service, code) for code in ("OK", "UNAUTHENTICATED")}
    service.show()
    monkeypatch.setattr(service, "token", "wrong")
    with pytest.raises(grpc.RpcError):
        service.show()
    for code, count in before.items():
        assert counted(service, code) == count + 1


def test_logs_contain_the_request_id_and_nothing_that_was_sent(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    service: Service, store_server: ServerProcess
) -> None:
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


def test_calls_over_the_limit_are_refused(service: Service, store_server: ServerProcess) -> None:
    with silent(store_server):
        calls = [
            service.members.ShowUser.future(
                pb.ShowUserRequest(user_id="5"), timeout=20, metadata=service.metadata
            )
            for _ in range(12)
        ]
        until(lambda: sum(call.done() for call in calls) >= 8, "eight refusals")
    codes = [call.code() for call in calls]
    assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) >= 8


@pytest.mark.parametrize(
    ("transport", "setting", "problem"),
    [
        ("envoy", "MEMBER_LEVEL_PORT", "cannot listen on"),
        ("grpcio", "MEMBER_LEVEL_PORT", "cannot listen on"),
        ("envoy", "MEMBER_LEVEL_METRICS_PORT", "cannot serve metrics on"),
        ("grpcio", "MEMBER_LEVEL_METRICS_PORT", "cannot serve metrics on"),
    ],
)
def test_a_port_in_use_is_reported_in_one_line(
    service: Service, tmp_path: Path, transport: str, setting: str, problem: str
) -> None:
    port = service.port if setting == "MEMBER_LEVEL_PORT" else service.metrics_port
    taken = {setting: str(port), "MEMBER_LEVEL_SERVER": transport}
    with running_service(service.store, tmp_path / "log", **taken) as second:
        assert second.process.wait(15) == 1
        (line,) = [line for line in second.lines.splitlines() if problem in line]
        assert str(port) in line
        assert "Traceback" not in second.lines


def call_that_waits(service: Service) -> "Future[pb.ShowUserResponse]":
    """Starts a call that stays in progress until the store continues."""
    call = service.members.ShowUser.future(
        pb.ShowUserRequest(user_id="5"), timeout=30, metadata=service.metadata
    )
    # This later call is answered on another thread; by then the first call has reached the service.
    service.status()
    return call  # type: ignore[return-value]  # grpc's future has the shape


def test_after_sigterm_health_is_not_serving_and_calls_in_progress_finish(
    service: Service, store_server: ServerProcess
) -> None:
    with silent(store_server):
        call = call_that_waits(service)
        service.process.send_signal(signal.SIGTERM)
        until(lambda: service.status() == "NOT_SERVING", "NOT_SERVING after SIGTERM")
        # Draining takes half a second, and the process waits for the call after that.
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(1)
    assert call.result(10).data.level == 5
    assert service.process.wait(10) == 0


def test_a_second_signal_ends_the_process_immediately(
    service: Service, store_server: ServerProcess
) -> None:
    with silent(store_server):
        call_that_waits(service)
        service.process.send_signal(signal.SIGTERM)
        until(lambda: '"draining"' in service.lines, "draining")
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(5) == 1
