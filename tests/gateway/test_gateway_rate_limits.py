"""The rate limits of all calls and of calls for tokens."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from levelgate.access.v1.access_tokens_pb2 import GetAccessTokenRequest
from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub
from tests.gateway.families import FAMILIES, TOO_MANY, UPBOT, Family, answered, told
from tests.gateway.refusals import refusal
from tests.gateway.running import Gateway, channel_to, running_gateway
from tests.gateway.upstream import Upstream


def until_limited(call: "httpx.Client", family: Family, url: str) -> httpx.Response:
    replies = (call.request(family.method, url) for _ in range(200))
    return next(reply for reply in replies if reply.status_code == 429)


@pytest.fixture(scope="module")
def limited(_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that lets one call a second through."""
    limits = {"GATEWAY_RATE_LIMIT": "1", "GATEWAY_TOKEN_RATE_LIMIT": "1"}
    directory = tmp_path_factory.mktemp("limited")
    with running_gateway(directory, _upstream.ports, **limits) as running:
        yield running


@pytest.fixture(scope="module")
def few_tokens(_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that limits only the calls for tokens."""
    directory = tmp_path_factory.mktemp("few")
    with running_gateway(directory, _upstream.ports, GATEWAY_TOKEN_RATE_LIMIT="1") as running:
        yield running


def test_too_many_requests_are_429(limited: Gateway) -> None:
    for family in FAMILIES:
        reply = until_limited(limited.client, family, family.url)
        assert answered(reply) == (429, family.failure(1006, TOO_MANY))
        assert not [name for name in reply.headers if name.startswith("x-envoy")]
        assert told(reply) == {"x-levelgate-reason": "RATE_LIMITED", "retry-after": "1"}
    reply = until_limited(limited.client, UPBOT, "/nowhere")
    assert answered(reply)[0] == 429
    # A flood does not make the gateway unhealthy.
    assert {limited.client.get("/healthz").status_code for _ in range(20)} == {200}


@pytest.mark.parametrize("limit", ["limited", "few_tokens"])
def test_too_many_grpc_calls_a_second_are_refused(
    request: pytest.FixtureRequest, limit: str
) -> None:
    with channel_to(request.getfixturevalue(limit)) as channel:
        call = AccessTokensStub(channel).GetAccessToken
        codes = (call.future(GetAccessTokenRequest()).code() for _ in range(100))
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes
        assert refusal(call, GetAccessTokenRequest()) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")


def test_a_refusal_of_head_has_no_body(limited: Gateway) -> None:
    statuses = []
    with socket.create_connection(("127.0.0.1", limited.port), timeout=10) as connection:
        for _ in range(5):
            connection.sendall(b"HEAD /show HTTP/1.1\r\nhost: a\r\n\r\n")
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65_536)
            # The client would read a body as the next answer on the connection.
            assert answer.startswith(b"HTTP/1.1 4")
            assert answer.endswith(b"\r\n\r\n")
            statuses.append(answer[9:12])
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    assert b"429" in statuses


def test_calls_for_tokens_have_a_separate_limit(few_tokens: Gateway) -> None:
    for url in ("/upbot/api/auth/GetAccessToken", "/upbot/api/auth/RefreshToken"):
        reply = until_limited(few_tokens.client, UPBOT, url)
        assert answered(reply) == (429, UPBOT.failure(1006, TOO_MANY))
    assert {UPBOT.call(few_tokens).status_code for _ in range(50)} == {200}


def test_json_and_grpc_calls_for_tokens_share_one_limit(upstream: Upstream, tmp_path: Path) -> None:
    rate, burst, lasts = 8, 1, 1.5
    let_through = {"json": 0, "grpc": 0}
    with (
        running_gateway(tmp_path, upstream.ports, GATEWAY_TOKEN_RATE_LIMIT=f"{rate}") as limited,
        channel_to(limited) as channel,
    ):
        call = AccessTokensStub(channel).GetAccessToken
        started = time.monotonic()
        while (seconds := time.monotonic() - started) < lasts:
            reply = limited.client.post("/upbot/api/auth/GetAccessToken", json={})
            let_through["json"] += reply.status_code == 200
            code = call.future(GetAccessTokenRequest()).code()
            let_through["grpc"] += code is grpc.StatusCode.OK
        assert rate < sum(let_through.values()) <= burst + rate * (seconds + 0.5), let_through
