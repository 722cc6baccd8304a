"""A service as a process: it tells the truth about the store, drains, and says what is wrong."""

import itertools
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
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
from tests.support.switch import switch

ROOT = Path(__file__).resolve().parents[2]
SHOW = "levelgate.member.v1.MemberLevel"


@pytest.fixture
def service(store_server: ServerProcess, tmp_path: Path) -> Iterator[Service]:
    demo = prepare(store_server.address)
    with running_service(store_server.address, tmp_path / "service.log") as started:
        started.token = demo.token
        started.wait_for("SERVING")
        yield started


def call_that_waits(service: Service, store: ServerProcess) -> "Future[pb.ShowUserResponse]":
    """A call that is under way and stays so until the store goes on."""
    os.kill(store.process.pid, signal.SIGSTOP)
    call = service.members.ShowUser.future(
        pb.ShowUserRequest(user_id="5"), timeout=30, metadata=service.metadata
    )
    # The health service answers by another thread: when it does, the call before it is taken up.
    service.status()
    return call  # type: ignore[return-value]  # grpc's future has the shape


def test_health_tells_the_truth_about_the_store(
    service: Service, store_server: ServerProcess
) -> None:
    assert service.status(SHOW) == "SERVING"
    assert service.status("no.such.Service") == "NOT_FOUND"
    store_server.process.kill()
    store_server.process.wait()
    service.wait_for("NOT_SERVING")
    with pytest.raises(grpc.RpcError) as raised:
        service.show()
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def test_it_waits_for_a_store_that_comes_later(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with running_service(f"redis://127.0.0.1:{port}/0", tmp_path / "service.log") as service:
        service.wait_for("NOT_SERVING")
        with server(SERVERS["valkey"], tmp_path, port):
            service.wait_for("SERVING")


def test_a_silent_store_is_unavailable_within_the_deadline(
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


def test_a_callers_short_deadline_is_no_fault_of_the_store(
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


def test_sigterm_says_not_serving_first_and_lets_calls_finish(
    service: Service, store_server: ServerProcess
) -> None:
    call = call_that_waits(service, store_server)
    service.process.send_signal(signal.SIGTERM)
    until(lambda: service.status() == "NOT_SERVING", "NOT_SERVING after SIGTERM")
    os.kill(store_server.process.pid, signal.SIGCONT)
    assert call.result(10).data.level == 5
    assert service.process.wait(10) == 0


def test_a_call_under_way_keeps_the_process_after_draining(
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


def test_a_second_signal_ends_it_at_once(service: Service, store_server: ServerProcess) -> None:
    call_that_waits(service, store_server)
    service.process.send_signal(signal.SIGTERM)
    until(lambda: '"draining"' in service.lines, "draining")
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(5) == 1


def test_reflection_tells_what_is_served(service: Service) -> None:
    database = ProtoReflectionDescriptorDatabase(service.channel)
    assert SHOW in set(database.get_services())


def test_metrics_count_refused_calls_too(service: Service) -> None:
    service.show()
    service.token = "wrong"
    with pytest.raises(grpc.RpcError):
        service.show()
    text = httpx.get(f"http://127.0.0.1:{service.metrics_port}/metrics").text
    for code in ("OK", "UNAUTHENTICATED"):
        labels = f'grpc_code="{code}",grpc_method="ShowUser",grpc_service="{SHOW}"'
        assert f"grpc_server_handled_total{{{labels}}} 1.0" in text


def test_logs_hold_the_request_id_and_nothing_that_was_sent(service: Service) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        service.show(user="somebodys-openid")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    token, service.token = service.token, "a-wrong-token"
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
    store.set(keys.Buckets().of("5").record("5"), b"\x63 from-the-future")
    with pytest.raises(grpc.RpcError) as raised:
        service.show()
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert raised.value.details() == REASONS["INTERNAL"].message
    status = rpc_status.from_call(cast(grpc.Call, raised.value))
    assert status is not None
    assert b"rid-42" in status.SerializeToString()
    until(lambda: "UnknownFormatError" in service.lines, "the bug in the log")
    assert "from-the-future" not in service.lines


def test_more_calls_than_it_may_hold_are_refused(
    store_server: ServerProcess, tmp_path: Path
) -> None:
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


def test_data_of_another_layout_is_refused(store_server: ServerProcess, tmp_path: Path) -> None:
    connect(store_settings(store_server.port)).set(keys.LAYOUT, '{"buckets": 9, "format": 9}')
    with running_service(store_server.address, tmp_path / "service.log") as service:
        assert service.process.wait(15) == 1
        assert "refusing to serve" in service.lines
        assert "Traceback" not in service.lines


def test_a_store_that_lost_its_data_is_marked_again(
    service: Service, store_server: ServerProcess
) -> None:
    store = connect(store_settings(store_server.port))
    mark = store.get(keys.LAYOUT)
    store.delete(*(key.decode() for key in store.scan_iter()))
    until(lambda: store.get(keys.LAYOUT) == mark, "the mark")
    assert service.status() == "SERVING"


def test_a_mark_that_changes_ends_the_service(
    service: Service, store_server: ServerProcess
) -> None:
    connect(store_settings(store_server.port)).set(keys.LAYOUT, '{"buckets": 9, "format": 2}')
    assert service.process.wait(15) == 1
    assert "refusing to serve" in service.lines


@pytest.mark.parametrize("is_missed", [True, False])
def test_a_store_that_was_exchanged_for_another_one_gets_no_write(
    store_server: ServerProcess, tmp_path: Path, is_missed: bool
) -> None:
    demo = prepare(store_server.address)
    (tmp_path / "other").mkdir()
    with (
        server(SERVERS["valkey"], tmp_path / "other") as other,
        switch(store_server.port) as address,
        running_service(
            f"redis://127.0.0.1:{address.port}/0",
            tmp_path / "log",
            MEMBER_LEVEL_HEALTH_INTERVAL_SECONDS="60",
        ) as service,
    ):
        theirs = connect(store_settings(other.port))
        theirs.set(keys.LAYOUT, '{"buckets": 9, "format": 2}')
        service.token = demo.token
        service.wait_for("SERVING")
        writes = Writes(service)
        until(lambda: writes.acknowledged > 20, "writes")
        if is_missed:
            address.turn(0)
            service.wait_for("NOT_SERVING")
        address.turn(other.port)
        assert service.process.wait(20) == 1
        writes.end()
        assert list(theirs.scan_iter()) == [keys.LAYOUT.encode()]
        assert "refusing to serve" in service.lines
        assert "Traceback" not in service.lines


class Writes:
    """Somebody who makes one member after the other, whatever becomes of it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.acknowledged = 0
        self._thread.start()

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        for number in itertools.count():
            if self._is_over.wait(0.002):
                return
            request = pb.InitUserRequest(user_id=f"u{number}")
            with suppress(grpc.RpcError):
                members, metadata = self._service.members, self._service.metadata
                members.InitUser(request, timeout=2, metadata=metadata)
                self.acknowledged += 1


def test_a_port_in_use_is_one_clear_line(store_server: ServerProcess, tmp_path: Path) -> None:
    with running_service(store_server.address, tmp_path / "service.log") as first:
        first.wait_for("SERVING")
        second = Service(
            store_server.address, tmp_path / "2.log", MEMBER_LEVEL_PORT=str(first.port)
        )
        assert second.process.wait(15) == 1
        (line,) = [line for line in second.lines.splitlines() if "cannot listen" in line]
        assert str(first.port) in line
        assert "Traceback" not in second.lines


def test_a_metrics_port_in_use_is_one_clear_line(
    store_server: ServerProcess, tmp_path: Path
) -> None:
    with running_service(store_server.address, tmp_path / "service.log") as first:
        first.wait_for("SERVING")
        taken = str(first.metrics_port)
        second = Service(store_server.address, tmp_path / "2.log", MEMBER_LEVEL_METRICS_PORT=taken)
        assert second.process.wait(15) == 1
        assert taken in second.lines
        assert "Traceback" not in second.lines


def test_a_wrong_setting_is_one_clear_line(tmp_path: Path) -> None:
    service = Service("redis://127.0.0.1:1/0", tmp_path / "log", MEMBER_LEVEL_THREADS="many")
    assert service.process.wait(15) == 1
    assert service.lines.count("\n") == 1
    assert service.lines.startswith("wrong setting MEMBER_LEVEL_THREADS: ")
