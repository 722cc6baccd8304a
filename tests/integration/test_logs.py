"""No log contains a secret, token or whole openid, whichever component refuses a call."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from tests.stack.waiting import until
from tests.support.running import RunningStack
from tests.support.service import running_service
from tests.support.store_server import ServerProcess

OPENID = "somebodys-whole-openid"
ODD: tuple[dict[str, Any], ...] = (
    {"content": b"a" * 1_200_000},
    {"content": b"\xff"},
    {"content": b'{"point":"' + OPENID.encode() + b'"}'},
    {"params": {"point": OPENID}},
    {},
)


def test_no_log_of_the_stack_contains_what_callers_send(stack: RunningStack) -> None:
    with httpx.Client(base_url=stack.gateway, headers={"Authorization": stack.token}) as client:
        for path in (f"/userlevel/{OPENID}", f"/userlevel/show/{OPENID}", f"/nowhere/{OPENID}"):
            for method in ("GET", "POST", "DELETE", "PUT"):
                for odd in ODD:
                    client.request(method, path, **odd)
        client.get("/", params={"route": "member.member-level.index", "uid": OPENID})
        secret = {"appid": stack.appid, "app_secret": stack.app_secret}
        client.post("/upbot/api/auth/GetAccessToken", json={**secret, "grant_type": "wrong"})
        last = client.get("/show", headers={"x-request-id": "the-last-of-them"})
        assert last.status_code == 200

    logs = stack.directory / "logs"
    until(lambda: "the-last-of-them" in (logs / "gateway.log").read_text(), "the access log")
    for log in logs.iterdir():
        text = log.read_text()
        for sent in (OPENID, stack.token, stack.app_secret):
            assert sent not in text, log.name


# Headers that libraries tend to quote when they cannot read them.
UNREADABLE = (
    (b"authorization", OPENID.encode() + b"\xe9"),
    (b"user-agent", b"\xff" + OPENID.encode()),
    (b"x-request-id", OPENID.encode() + b"\xe9"),
    (b"x-" + OPENID.encode() + b"\xe9", b"1"),
    (OPENID.encode() + b"-bin", b"!"),
    (b"grpc-timeout", OPENID.encode()),
    (b"grpc-encoding", OPENID.encode()),
    (b"te", OPENID.encode()),
)


@pytest.mark.parametrize("transport", ["envoy", "grpcio"])
def test_no_output_of_a_service_contains_headers_that_cannot_be_read(
    store_server: ServerProcess, tmp_path: Path, transport: str
) -> None:
    settings = {"MEMBER_LEVEL_SERVER": transport, "MEMBER_LEVEL_LOG_LEVEL": "debug"}
    with running_service(store_server.address, tmp_path / "log", **settings) as service:
        service.wait_for("SERVING")
        with ThreadPoolExecutor(len(UNREADABLE)) as pool:
            list(pool.map(partial(call_with, service.port), UNREADABLE))
        with suppress(Exception):
            service.show()
        # This call came after the others, so their output is complete when its output is there.
        until(lambda: "rid-42" in service.lines, "the log")
        assert OPENID not in service.lines
        for line in service.lines.splitlines():
            assert line.startswith('{"service": "member_level"'), line


def call_with(port: int, header: tuple[bytes, bytes]) -> None:
    """Sends a call that no well-behaved library sends, and waits until it has ended."""
    settings = H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
    h2 = H2Connection(settings)
    h2.initiate_connection()
    headers = {
        b":method": b"POST",
        b":scheme": b"http",
        b":authority": b"x",
        b":path": b"/levelgate.member.v1.MemberLevel/ShowUser",
        b"content-type": b"application/grpc",
        b"te": b"trailers",
    }
    h2.send_headers(1, [*{**headers, header[0]: header[1]}.items()])
    h2.send_data(1, b"\0\0\0\0\0", end_stream=True)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(h2.data_to_send())
        with suppress(OSError):
            while data := connection.recv(65_536):
                if any(
                    type(event).__name__ in {"StreamEnded", "StreamReset", "ConnectionTerminated"}
                    for event in h2.receive_data(data)
                ):
                    return
