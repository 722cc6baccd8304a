"""What operators configure and observe: passwords, wrong settings, /healthz, limits, the core."""

import json
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import httpx
import pytest
import redis

from operations.commands.demo import prepare
from services.runtime.settings import load
from services.store.settings import StoreSettings
from tests.stack.waiting import until
from tests.support.service import Service, running_service
from tests.support.store_server import SERVERS, ServerProcess, server

PASSWORD = "a password of the store"
# Nothing answers at this address.
URL = "redis://user:secret@127.0.0.1:1/0"
CORE = max(os.sched_getaffinity(0))


@pytest.fixture(scope="module")
def store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with server(SERVERS["valkey"], tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="module")
def service(
    store_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with many settings, for the tests that do not end it and one last test."""
    log = tmp_path_factory.mktemp("service") / "service.log"
    settings = {
        "APP_RATE_LIMIT": "3",
        "MEMBER_LEVEL_CORE": str(CORE),
        # It is soon noticed that the store is silent, but not because the machine is busy.
        "REDIS_TIMEOUT_SECONDS": "1",
        "REDIS_CONNECT_SECONDS": "1",
    }
    token = prepare(store_server.address).token
    with running_service(store_server.address, log, **settings) as started:
        started.token = token
        started.wait_for("SERVING")
        yield started


def set_password(store_server: ServerProcess, password: str, user: str = "levelgate") -> None:
    client = redis.Redis(port=store_server.port)
    client.execute_command(  # type: ignore[no-untyped-call]
        "ACL", "SETUSER", user, "on", "resetpass", f">{password}", "~*", "&*", "+@all"
    )
    client.execute_command("CLIENT", "KILL", "USER", user)  # type: ignore[no-untyped-call]
    client.close()


def address(store_server: ServerProcess) -> str:
    return f"redis://levelgate@127.0.0.1:{store_server.port}/0"


def reasons(service: Service) -> list[str]:
    lines = (json.loads(line) for line in service.lines.splitlines())
    return [line["why"] for line in lines if line["event"] == "store unavailable"]


def healthz(service: Service) -> tuple[int, str]:
    reply = httpx.get(f"http://127.0.0.1:{service.metrics_port}/healthz")
    return reply.status_code, reply.text


def test_a_new_password_in_the_file_needs_no_restart(
    store_server: ServerProcess, tmp_path: Path
) -> None:
    """It is logged once that a password is refused, and the file is read again until it is not."""
    token = prepare(store_server.address).token
    refused = "it refuses REDIS_URL's user or the password"
    file = tmp_path / "password"
    file.write_text("wrong")
    set_password(store_server, PASSWORD)
    log = tmp_path / "service.log"
    with running_service(address(store_server), log, REDIS_PASSWORD_FILE=str(file)) as service:
        service.token = token
        until(lambda: bool(reasons(service)), "the reason in the log")
        service.wait_for("NOT_SERVING")
        file.write_text(PASSWORD + "\n")
        service.wait_for("SERVING")
        assert reasons(service) == [refused]
        assert service.show().data.level == 5
        set_password(store_server, "another one")
        service.wait_for("NOT_SERVING")
        assert reasons(service)[-1] == refused
        file.write_text("another one")
        service.wait_for("SERVING")
        assert service.show().data.level == 5
        file.unlink()
        set_password(store_server, "a third one")
        service.wait_for("NOT_SERVING")
        for password in ("wrong", PASSWORD, "another one"):
            assert password not in service.lines


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "password: No such file"),
        (b"", "the file is empty"),
        (b"\xff", "must be a text"),
    ],
)
def test_a_wrong_password_file_is_one_line_that_names_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, line: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("REDIS_PASSWORD_FILE", str(file))
    with pytest.raises(SystemExit, match=f"^wrong setting REDIS_PASSWORD_FILE: .*{line}"):
        load(StoreSettings)


@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("MEMBER_LEVEL_THREADS", "many", "MEMBER_LEVEL_THREADS: "),
        ("MEMBER_LEVEL_CORE", "9999", "MEMBER_LEVEL_CORE: must be one of the cores ["),
        (
            "REDIS_PASSWORD_FILE",
            "README.md",
            "REDIS_URL must hold no password beside REDIS_PASSWORD_FILE",
        ),
    ],
)
def test_a_wrong_setting_ends_the_service_with_one_line(
    tmp_path: Path, setting: str, value: str, line: str
) -> None:
    log = tmp_path / "service.log"
    with running_service(URL, log, **{setting: value}) as service:
        assert service.process.wait(15) == 1
        assert service.lines.startswith("wrong setting ")
        assert line in service.lines
        assert service.lines.count("\n") == 1
        assert "secret" not in service.lines


BROKEN_REQUESTS = (
    b"",
    b"GET /metrics HTTP/1.1\r\n",
    b"GET /metrics HTTP/1.1\r\nauthorization: a-secret-token",
    b"GET /a-secret-token HTTP/1.1\r\n\r\n",
    b"a-secret-token\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nx: " + b"a-secret-token" * 1_000 + b"\r\n\r\n",
    b"\xff\xfe a-secret-token HTTP/1.1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n\r\n",
)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def test_connections_to_the_metrics_port_are_limited_and_broken_requests_are_not_logged(
    service: Service,
) -> None:
    until(lambda: healthz(service)[0] == 200, "healthy")
    lines = service.lines.count("\n")
    process = Path(f"/proc/{service.process.pid}")
    files, threads = (len(list((process / each).iterdir())) for each in ("fd", "task"))
    # Each of 64 connections and of the 64 that give way to them has a thread.
    most = 2 * 64 + 4
    with ExitStack() as opened:

        def connect() -> socket.socket:
            address = ("127.0.0.1", service.metrics_port)
            connection = opened.enter_context(socket.create_connection(address))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            return connection

        for broken in BROKEN_REQUESTS * 5:
            connection = connect()
            connection.sendall(broken)
            connection.close()
        for number in range(240):
            connect().sendall(b"GET /healthz HTTP/1.1\r\n")
            # More connections than these would wait for a second in the queue of the port.
            if number % 40 == 39:
                began = time.monotonic()
                assert healthz(service) == (200, "SERVING\n")
                assert time.monotonic() - began < 2
        assert len(list((process / "fd").iterdir())) <= files + most
        assert len(list((process / "task").iterdir())) <= threads + most
    assert healthz(service)[0] == 200
    assert service.lines.count("\n") == lines, service.lines


def test_all_threads_of_a_service_run_on_the_configured_core(service: Service) -> None:
    threads = Path(f"/proc/{service.process.pid}/task").iterdir()
    assert {frozenset(os.sched_getaffinity(int(each.name))) for each in threads} == {
        frozenset({CORE})
    }


def test_an_app_over_its_rate_limit_is_refused(service: Service) -> None:
    codes = []
    for _ in range(10):
        try:
            service.show()
        except grpc.RpcError as error:
            codes.append(error.code())
    assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes
    assert set(codes) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    until(
        lambda: "an app may make 3 calls a second at one instance" in service.lines,
        "why, in the log",
    )


def test_healthz_has_the_status_of_the_port_for_calls(
    service: Service, store_server: ServerProcess
) -> None:
    until(lambda: healthz(service) == (200, "SERVING\n"), "healthy")
    store_server.process.send_signal(signal.SIGSTOP)
    until(lambda: healthz(service) == (503, "NOT_SERVING\n"), "the store is silent")
    assert reasons(service)[-1] == "it does not answer in time"
    store_server.process.send_signal(signal.SIGCONT)
    until(lambda: healthz(service)[0] == 200, "healthy again")
    service.process.send_signal(signal.SIGTERM)
    until(lambda: healthz(service) == (503, "NOT_SERVING\n"), "it drains")
