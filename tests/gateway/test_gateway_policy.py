"""What the gateway adds to every call: ids, deadlines, limits, headers, the log."""

import json
import socket
import time
from pathlib import Path

import grpc
import httpx
import pytest
from google.protobuf.struct_pb2 import NULL_VALUE, Value

from levelgate.access.v1.access_tokens_pb2 import GetAccessTokenRequest
from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub
from levelgate.shop.v1.shop_level_pb2 import GetMemberLevelsResponse, Level, MemberLevels
from tests.gateway.conftest import ORIGIN
from tests.gateway.families import (
    BUSY,
    FAMILIES,
    MEMBER,
    NO_TOKEN,
    SHOP,
    SHOP_NO_TOKEN,
    SHOP_PAGE,
    TOO_LARGE,
    TOO_MANY,
    UPBOT,
    Family,
    answered,
    none_failure,
)
from tests.gateway.running import Gateway, running_gateway, wait_until
from tests.gateway.upstream import Upstream, failing, slow

family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@family
def test_a_call_has_a_deadline(gateway: Gateway, upstream: Upstream, family: Family) -> None:
    family.call(gateway, headers={"grpc-timeout": "60S"})
    assert 1 < upstream.calls[0].seconds_left <= 2


# The calls that no document has, and their deadline.
LATER = [
    ("POST", "/userlevel/points/7", "AddPoints", 2),
    ("GET", "/userlevel/history/7", "ListHistory", 2),
    ("GET", "/userlevel/at/7", "GetLevelAt", 2),
    ("GET", "/vipBiz/version", "GetRuleBook", 2),
    ("POST", "/vipBiz/preview", "PreviewRules", 10),
    ("GET", "/leveldown/atRisk", "ListAtRisk", 10),
    ("POST", "/leveldown/plan", "PlanDemotion", 10),
]


@pytest.mark.parametrize(("method", "url", "rpc", "seconds"), LATER)
def test_a_later_call_has_its_deadline_whatever_the_caller_wants_of_envoy(
    gateway: Gateway,
    upstream: Upstream,
    *,
    method: str,
    url: str,
    rpc: str,
    seconds: int,
) -> None:
    headers = {"grpc-timeout": "60S", "x-envoy-retry-on": "5xx", "x-envoy-max-retries": "3"}
    upstream.answers[rpc] = failing(grpc.StatusCode.UNAVAILABLE)
    reply = gateway.client.request(method, url, headers=headers)
    assert answered(reply) == (503, MEMBER.failure(1000, BUSY))
    assert len(upstream.calls) == 1
    assert seconds - 1 < upstream.calls[0].seconds_left <= seconds


def test_a_count_of_all_members_may_be_slow(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers["ListAtRisk"] = slow(2.5)
    assert gateway.client.get("/leveldown/atRisk").status_code == 200


def test_going_through_all_users_may_take_a_minute(gateway: Gateway, upstream: Upstream) -> None:
    gateway.client.get("/leveldown")
    assert 50 < upstream.calls[0].seconds_left <= 60


@pytest.mark.parametrize("request_id", ["a", "a" * 128, "trace:1/2", None])
def test_a_sane_request_id_is_kept(
    gateway: Gateway, upstream: Upstream, request_id: str | None
) -> None:
    headers = {"x-request-id": request_id} if request_id else {}
    reply = gateway.client.get("/show", headers=headers)
    assert reply.headers["x-request-id"] == (request_id or reply.headers["x-request-id"]) != ""
    assert upstream.calls[0].metadata["x-request-id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize("request_id", ["", "a b", "a" * 129, "é"])
def test_any_other_request_id_is_replaced(
    gateway: Gateway, upstream: Upstream, request_id: str
) -> None:
    reply = gateway.client.get("/show", headers={b"x-request-id": request_id.encode()})
    assert len(reply.headers["x-request-id"]) == 36
    assert upstream.calls[0].metadata["x-request-id"] == reply.headers["x-request-id"]


ODD_HEADERS = [
    (b"x-bin", b"###"),
    (b"x!y", b"1"),
    (b"x_y", b"1"),
    (b"cookie", b"a" * 30_000),
    (b"user-agent", b"a" * 30_000),
    (b"x-latin", b"\xe9"),
    (b"grpc-encoding", b"gzip"),
    (b"grpc-accept-encoding", b"gzip"),
    (b"te", b"gzip"),
    (b"expect", b"nothing"),
    (b"x-forwarded-for", b"1.2.3.4, " * 4000 + b"1"),
    (b"host", b"a" * 30_000),
    (b"x-envoy-upstream-rq-timeout-ms", b"1"),
    (b"x-envoy-retry-on", b"5xx"),
    (b"content-type", b"application/grpc-web"),
]


@family
@pytest.mark.parametrize(("name", "value"), ODD_HEADERS, ids=lambda value: str(value)[:30])
def test_a_header_that_grpc_fails_on_does_no_harm(
    gateway: Gateway, upstream: Upstream, family: Family, name: bytes, value: bytes
) -> None:
    headers = [(name, value), (b"authorization", b"token"), (b"traceparent", b"00-1-2-01")]
    assert family.call(gateway, headers=headers).status_code == 200
    assert set(upstream.calls[0].metadata) <= {
        *("authorization", "traceparent", "user-agent", "x-request-id"),
        *("x-envoy-original-method", "x-forwarded-proto", "x-envoy-expected-rq-timeout-ms"),
    }
    assert upstream.calls[0].metadata["authorization"] == "token"


@family
@pytest.mark.parametrize("token", ["令牌".encode(), b"a" * 20_000])
def test_what_can_be_no_token_is_401(
    gateway: Gateway, upstream: Upstream, family: Family, token: bytes
) -> None:
    reply = family.call(gateway, headers=[(b"authorization", token)])
    msg = SHOP_NO_TOKEN if family is SHOP_PAGE else NO_TOKEN
    assert answered(reply) == (401, family.failure(1002, msg))
    assert upstream.calls == []


@pytest.mark.parametrize("family", [UPBOT, MEMBER], ids=lambda family: family.name)
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("size", "fits"), [(1 << 20, True), ((1 << 20) + 1, False), (3 << 20, False)]
)
def test_a_body_may_have_a_mebibyte(
    gateway: Gateway, upstream: Upstream, family: Family, size: int, *, chunked: bool, fits: bool
) -> None:
    body = b'{"x":"' + b"a" * (size - 8) + b'"}'
    pieces = (body[start : start + 50_000] for start in range(0, size, 50_000))
    reply = family.call(gateway, content=pieces if chunked else body)
    if fits:
        assert reply.status_code == 200
        assert len(upstream.calls) == 1
    else:
        assert answered(reply) == (413, family.failure(1001, TOO_LARGE))
        assert upstream.calls == []


CORS_URLS = ["/upbot/api/CheckStarState", "/userlevel/7", "/vipBiz", SHOP]


@pytest.mark.parametrize("url", CORS_URLS)
def test_a_listed_origin_may_call(gateway: Gateway, upstream: Upstream, url: str) -> None:
    asks = {"origin": ORIGIN, "access-control-request-method": "POST"}
    preflight = gateway.client.options(url, headers=asks)
    assert preflight.status_code == 200
    assert preflight.text == ""
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert preflight.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    assert upstream.calls == []
    # The reply to the call itself, a refusal included: a page could not read it otherwise.
    for method in ("GET", "POST", "PUT"):
        reply = gateway.client.request(method, url, headers={"origin": ORIGIN})
        assert reply.headers["access-control-allow-origin"] == ORIGIN
        exposed = reply.headers["access-control-expose-headers"]
        assert exposed == "x-request-id, x-levelgate-affected-members"


@pytest.mark.parametrize("url", CORS_URLS)
def test_another_origin_may_not(gateway: Gateway, url: str) -> None:
    asks = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    preflight = gateway.client.options(url, headers=asks)
    assert preflight.status_code == 405
    reply = gateway.client.get("/show", headers=asks)
    for headers in (preflight.headers, reply.headers):
        assert not [name for name in headers if name.startswith("access-control-")]


@family
def test_a_reply_tells_nothing_of_what_is_behind(
    gateway: Gateway, upstream: Upstream, family: Family
) -> None:
    for answer in (
        None,
        failing(grpc.StatusCode.NOT_FOUND, "x"),
        failing(grpc.StatusCode.INTERNAL),
    ):
        if answer:
            upstream.answers[family.rpc] = answer
        headers = family.call(gateway).headers
        assert set(headers) == {
            *("cache-control", "content-length", "content-type", "date", "server", "x-request-id"),
        }
        assert headers["server"] == "levelgate"


def test_the_shops_second_shape_of_goods_is_printed_as_goods(
    gateway: Gateway, upstream: Upstream
) -> None:
    title = 'a "goods_other_shape": in a text'
    level = Level(id=1, level_name=title, goods_other_shape=Value(null_value=NULL_VALUE))
    upstream.answers["GetMemberLevels"] = GetMemberLevelsResponse(data=MemberLevels(data=[level]))
    (shown,) = gateway.client.get(SHOP).json()["data"]["data"]
    assert shown["goods"] is None
    assert shown["level_name"] == title
    assert "goods_other_shape" not in shown


def log_lines(gateway: Gateway, request_id: str) -> list[dict[str, object]]:
    lines = map(json.loads, gateway.access_log.splitlines())
    return [line for line in lines if line["request_id"] == request_id]


LOGGED = [
    ("GET", "/userlevel/SECRET?userId=SECRET", "InitUser", 200, "0"),
    ("GET", "/userlevel/SECRET?point=SECRET", "UpgradeUser", 200, "-"),
    ("PUT", "/userlevel/SECRET", "-", 405, "-"),
    ("POST", "/userlevel/show/SECRET", "ShowUser", 200, "5"),
    ("POST", "/userlevel/points/SECRET", "AddPoints", 200, "-"),
    ("GET", "/userlevel/history/SECRET", "ListHistory", 200, "-"),
    ("GET", "/userlevel/at/SECRET?time=SECRET", "GetLevelAt", 200, "-"),
    ("GET", "/SECRET?SECRET", "-", 404, "-"),
    ("OPTIONS-SECRET", "/SECRET", "-", 404, "-"),
    ("GET", "/levelgate." + "a" * 80 + "SECRET", "-", 404, "-"),
]


def test_the_access_log_names_routes_and_no_user(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers["ShowUser"] = failing(grpc.StatusCode.NOT_FOUND, "SECRET")
    for number, (method, url, _, _, _) in enumerate(LOGGED):
        headers = {"x-request-id": f"logged-{number}", "x-envoy-original-method": "SECRET"}
        gateway.client.request(method, url, headers=headers)
    wait_until(lambda: bool(log_lines(gateway, f"logged-{len(LOGGED) - 1}")), "the log is written")
    for number, (method, url, rpc, code, status) in enumerate(LOGGED):
        (line,) = log_lines(gateway, f"logged-{number}")
        known = url.startswith("/userlevel")
        assert line["method"] == method[:7]
        assert ("{userId}" in str(line["route"])) == known
        assert str(line["rpc"]).rpartition("/")[2] == rpc or rpc == "-"
        assert line["code"] == code
        if status != "-":
            assert line["grpc"] == status
    assert "SECRET" not in gateway.access_log
    assert "/healthz" not in gateway.access_log


@pytest.mark.parametrize("url", ["/healthz", "/healthz?from=balancer"])
def test_healthz_says_ok(gateway: Gateway, url: str) -> None:
    assert answered(gateway.client.get(url)) == (200, '{"code":0,"msg":"ok"}')
    assert gateway.client.head(url).status_code == 200


def test_a_grpc_call_to_healthz_is_refused_as_on_any_unknown_path(gateway: Gateway) -> None:
    """The page answered it with HTTP 500, because Envoy turned its "200" into a gRPC status."""
    headers = {"content-type": "application/grpc"}
    replies = [gateway.client.post(path, headers=headers) for path in ("/healthz", "/nowhere")]
    invalid = str(grpc.StatusCode.INVALID_ARGUMENT.value[0])
    assert {(reply.status_code, reply.headers["grpc-status"]) for reply in replies} == {
        (200, invalid)
    }


@pytest.mark.parametrize("name", ["upbot_checks", "member_level", "shop_level"])
def test_healthz_wants_an_instance_of_each_service(
    gateway: Gateway, upstream: Upstream, name: str
) -> None:
    family = {"upbot_checks": UPBOT, "member_level": MEMBER, "shop_level": SHOP_PAGE}[name]
    upstream.set_healthy(name, False)
    try:
        wait_until(lambda: gateway.client.get("/healthz").status_code == 503, f"{name} is missed")
        assert answered(gateway.client.get("/healthz")) == (503, none_failure(503, BUSY))
        # No instance: an answer at once.
        assert answered(family.call(gateway)) == (503, family.failure(1000, BUSY))
    finally:
        upstream.set_healthy(name, True)
        # /healthz knows a moment before all of Envoy's threads do.
        wait_until(lambda: family.call(gateway).status_code == 200, f"{name} is back")
        wait_until(lambda: gateway.client.get("/healthz").status_code == 200, f"{name} is back")


@family
def test_a_store_that_is_away_is_away_for_all_instances(
    gateway: Gateway, upstream: Upstream, family: Family
) -> None:
    upstream.answers[family.rpc] = failing(grpc.StatusCode.UNAVAILABLE)
    assert answered(family.call(gateway)) == (503, family.failure(1000, BUSY))
    assert len(upstream.calls) == 1


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/userlevel/7"),
        ("GET", "/userlevel/7?point=1"),
        ("GET", "/leveldown"),
        ("DELETE", "/userlevel/7"),
        ("POST", "/upbot/api/auth/GetAccessToken"),
        ("POST", "/upbot/api/auth/RefreshToken"),
    ],
)
def test_what_writes_is_sent_once(
    gateway: Gateway, upstream: Upstream, method: str, url: str
) -> None:
    for rpc in (
        "InitUser",
        "UpgradeUser",
        "LevelDown",
        "DeleteUser",
        "GetAccessToken",
        "RefreshToken",
    ):
        upstream.answers[rpc] = failing(grpc.StatusCode.UNAVAILABLE)
    reply = gateway.client.request(
        method, url, headers={"x-envoy-retry-on": "5xx", "x-envoy-max-retries": "3"}
    )
    assert reply.status_code == 503
    assert len(upstream.calls) == 1


def until_limited(call: "httpx.Client", family: Family, url: str) -> httpx.Response:
    replies = (call.request(family.method, url) for _ in range(200))
    return next(reply for reply in replies if reply.status_code == 429)


def test_too_many_requests_are_429(upstream: Upstream, tmp_path: Path) -> None:
    limits = {"GATEWAY_RATE_LIMIT": "1", "GATEWAY_TOKEN_RATE_LIMIT": "1"}
    with running_gateway(tmp_path, upstream.ports, **limits) as limited:
        for family in FAMILIES:
            reply = until_limited(limited.client, family, family.url)
            assert answered(reply) == (429, family.failure(1006, TOO_MANY))
            assert not [name for name in reply.headers if name.startswith("x-envoy")]
        reply = until_limited(limited.client, UPBOT, "/nowhere")
        assert answered(reply)[0] == 429
        # Whether a gateway is healthy does not depend on who floods it.
        assert {limited.client.get("/healthz").status_code for _ in range(20)} == {200}


def test_a_refusal_of_head_has_no_body(upstream: Upstream, tmp_path: Path) -> None:
    statuses = []
    with (
        running_gateway(tmp_path, upstream.ports, GATEWAY_RATE_LIMIT="1") as limited,
        socket.create_connection(("127.0.0.1", limited.port), timeout=10) as connection,
    ):
        for _ in range(5):
            connection.sendall(b"HEAD /show HTTP/1.1\r\nhost: a\r\n\r\n")
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65_536)
            # A body would be taken for the next answer of the connection.
            assert answer.startswith(b"HTTP/1.1 4")
            assert answer.endswith(b"\r\n\r\n")
            statuses.append(answer[9:12])
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    assert b"429" in statuses


def test_tokens_have_a_limit_of_their_own(upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(tmp_path, upstream.ports, GATEWAY_TOKEN_RATE_LIMIT="1") as limited:
        for url in ("/upbot/api/auth/GetAccessToken", "/upbot/api/auth/RefreshToken"):
            reply = until_limited(limited.client, UPBOT, url)
            assert answered(reply) == (429, UPBOT.failure(1006, TOO_MANY))
        assert {UPBOT.call(limited).status_code for _ in range(50)} == {200}


def test_tokens_have_one_limit_however_they_are_asked_for(
    upstream: Upstream, tmp_path: Path
) -> None:
    rate, burst = 4, 1
    let_through = {"json": 0, "grpc": 0}
    with (
        running_gateway(tmp_path, upstream.ports, GATEWAY_TOKEN_RATE_LIMIT=f"{rate}") as limited,
        grpc.insecure_channel(f"127.0.0.1:{limited.port}") as channel,
    ):
        call = AccessTokensStub(channel).GetAccessToken
        started = time.monotonic()
        while (seconds := time.monotonic() - started) < 3:
            reply = limited.client.post("/upbot/api/auth/GetAccessToken", json={})
            let_through["json"] += reply.status_code == 200
            code = call.future(GetAccessTokenRequest()).code()
            let_through["grpc"] += code is grpc.StatusCode.OK
        assert rate < sum(let_through.values()) <= burst + rate * (seconds + 0.5), let_through
