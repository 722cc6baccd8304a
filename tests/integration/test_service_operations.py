"""What operators configure and observe: passwords, wrong settings, /healthz, limits, the core."""

import json
import os
import signal
import socket
import struct
import time
from contextlib import ExitStack
from pathlib import Path

import grpc
import httpx
import pytest
import redis

from operations.commands.demo import prepare
from tests.integration.conftest import ServerProcess
from tests.stack.waiting import until
from tests.support.service import Service, running_service

PASSWORD = "a password of the store"
# Nothing answers at this address.
URL = "redis://127.0.0.1:1/0"


@pytest.fixture
def token(store_server: ServerProcess) -> str:
    return prepare(store_server.address).token


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
    store_server: ServerProcess, token: str, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    set_password(store_server, PASSWORD)
    log = tmp_path / "service.log"
    with running_service(address(store_server), log, REDIS_PASSWORD_FILE=str(file)) as service:
        service.token = token
        service.wait_for("SERVING")
        assert service.show().data.level == 5
        set_password(store_server, "another one")
        service.wait_for("NOT_SERVING")
        assert reasons(service)[-1] == "it refuses REDIS_URL's user or the password"
        file.write_text("another one")
        service.wait_for("SERVING")
        assert service.show().data.level == 5
        file.unlink()
        set_password(store_server, "a third one")
        service.wait_for("NOT_SERVING")
        for password in (PASSWORD, "another one"):
            assert password not in service.lines


def test_a_refused_password_is_logged_once_and_then_retried(
    store_server: ServerProcess, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("wrong")
    set_password(store_server, PASSWORD)
    log = tmp_path / "service.log"
    with running_service(address(store_server), log, REDIS_PASSWORD_FILE=str(file)) as service:
        until(lambda: bool(reasons(service)), "the reason in the log")
        service.wait_for("NOT_SERVING")
        file.write_text(PASSWORD)
        service.wait_for("SERVING")
        assert reasons(service) == ["it refuses REDIS_URL's user or the password"]


def test_a_wrong_setting_ends_the_service_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "good").write_text("x")
    files = {name: str(tmp_path / name) for name in ("missing", "empty", "binary", "good")}
    password = "REDIS_PASSWORD_FILE"
    with_secret = "redis://user:secret@127.0.0.1:1/0"
    both = f"REDIS_URL must hold no password beside {password}"
    for setting, value, url, line in (
        ("MEMBER_LEVEL_THREADS", "many", URL, "wrong setting MEMBER_LEVEL_THREADS: "),
        ("MEMBER_LEVEL_CORE", "9999", URL, "MEMBER_LEVEL_CORE: must be one of the cores ["),
        (password, files["missing"], URL, f"{password}: {files['missing']}: No such file"),
        (password, files["empty"], URL, "empty"),
        (password, files["binary"], URL, "must be a text"),
        (password, files["good"], with_secret, both),
    ):
        with running_service(url, tmp_path / f"{value}.log", **{setting: value}) as service:
            assert service.process.wait(15) == 1, line
            assert service.lines.startswith("wrong setting "), line
            assert line in service.lines
            assert service.lines.count("\n") == 1, line
            assert "secret" not in service.lines


def test_healthz_has_the_status_of_the_port_for_calls(
    store_server: ServerProcess, tmp_path: Path
) -> None:
    log = tmp_path / "service.log"
    quick = {"REDIS_TIMEOUT_SECONDS": "0.5", "REDIS_CONNECT_SECONDS": "0.5"}
    with running_service(store_server.address, log, **quick) as service:
        service.wait_for("SERVING")
        until(lambda: healthz(service) == (200, "SERVING\n"), "healthy")
        os.kill(store_server.process.pid, signal.SIGSTOP)
        until(lambda: healthz(service) == (503, "NOT_SERVING\n"), "the store is silent")
        assert reasons(service) == ["it does not answer in time"]
        os.kill(store_server.process.pid, signal.SIGCONT)
        until(lambda: healthz(service)[0] == 200, "healthy again")
        service.process.send_signal(signal.SIGTERM)
        until(lambda: healthz(service) == (503, "NOT_SERVING\n"), "it drains")


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


@pytest.mark.parametrize("transport", ["envoy", "grpcio"])
def test_connections_to_the_metrics_port_are_limited_and_broken_requests_are_not_logged(
    store_server: ServerProcess, tmp_path: Path, transport: str
) -> None:
    settings = {"MEMBER_LEVEL_SERVER": transport}
    with (
        running_service(store_server.address, tmp_path / "log", **settings) as service,
        ExitStack() as opened,
    ):
        service.wait_for("SERVING")
        until(lambda: healthz(service)[0] == 200, "healthy")
        lines = service.lines.count("\n")
        process = Path(f"/proc/{service.process.pid}")
        threads = len(list((process / "task").iterdir()))

        def connect() -> socket.socket:
            address = ("127.0.0.1", service.metrics_port)
            connection = opened.enter_context(socket.create_connection(address))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            return connection

        for broken in BROKEN_REQUESTS * 5:
            connection = connect()
            connection.sendall(broken)
            connection.close()
        for number in range(600):
            connect().sendall(b"GET /healthz HTTP/1.1\r\n")
            if number % 200 == 199:
                began = time.monotonic()
                assert healthz(service) == (200, "SERVING\n")
                assert time.monotonic() - began < 2
        assert len(list((process / "fd").iterdir())) < 400
        assert len(list((process / "task").iterdir())) <= threads + 2 * 64 + 4
        opened.close()
        assert healthz(service)[0] == 200
        assert service.lines.count("\n") == lines, service.lines


def test_an_app_over_its_rate_limit_is_refused(
    store_server: ServerProcess, token: str, tmp_path: Path
) -> None:
    log = tmp_path / "service.log"
    with running_service(store_server.address, log, APP_RATE_LIMIT="3") as service:
        service.token = token
        service.wait_for("SERVING")
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


def test_all_threads_of_a_service_run_on_the_configured_core(
    store_server: ServerProcess, tmp_path: Path
) -> None:
    core = max(os.sched_getaffinity(0))
    log = tmp_path / "service.log"
    with running_service(store_server.address, log, MEMBER_LEVEL_CORE=str(core)) as service:
        service.wait_for("SERVING")
        threads = Path(f"/proc/{service.process.pid}/task").iterdir()
        assert {frozenset(os.sched_getaffinity(int(each.name))) for each in threads} == {
            frozenset({core})
        }
