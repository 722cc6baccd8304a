"""What the gateway does for every call: ids, deadlines, headers, the size of bodies and retries."""

import grpc
import pytest
from google.protobuf.struct_pb2 import NULL_VALUE, Value

from levelgate.shop.v1.shop_level_pb2 import GetMemberLevelsResponse, Level, MemberLevels
from tests.gateway.families import (
    BUSY,
    FAMILIES,
    MEMBER,
    NO_TOKEN,
    SHOP,
    SHOP_NO_TOKEN,
    SHOP_PAGE,
    TOO_LARGE,
    UPBOT,
    Family,
    answered,
)
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream, failing, slow

family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@family
def test_a_call_has_a_deadline(gateway: Gateway, upstream: Upstream, family: Family) -> None:
    family.call(gateway, headers={"grpc-timeout": "60S"})
    assert 1 < upstream.calls[0].seconds_left <= 2


# The calls that are not in the API documents, and their deadlines.
LATER = [
    ("POST", "/userlevel/points/7", "AddPoints", 2),
    ("GET", "/userlevel/history/7", "ListHistory", 2),
    ("GET", "/userlevel/at/7", "GetLevelAt", 2),
    ("GET", "/vipBiz/version", "GetRuleBook", 2),
    ("POST", "/vipBiz/preview", "PreviewRules", 10),
    ("GET", "/leveldown/atRisk", "ListAtRisk", 10),
    ("POST", "/leveldown/plan", "PlanDemotion", 10),
    ("POST", "/vipBiz/replace", "ReplaceRules", 2),
    ("POST", "/vipBiz/restore", "RestoreRules", 2),
    ("GET", "/vipBiz/versions", "ListRuleVersions", 10),
    ("POST", "/leveldown/run", "StartDemotion", 2),
    ("POST", "/leveldown/stop", "StopDemotion", 2),
    ("GET", "/leveldown/runs", "ListDemotionRuns", 2),
]


@pytest.mark.parametrize(("method", "url", "rpc", "seconds"), LATER)
def test_a_caller_cannot_change_the_deadline_or_the_retries_of_a_call(
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


def test_a_call_that_reads_the_index_of_all_members_may_be_slow(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers["ListAtRisk"] = slow(2.1)
    assert gateway.client.get("/leveldown/atRisk").status_code == 200


def test_a_demotion_of_all_members_may_take_a_minute(gateway: Gateway, upstream: Upstream) -> None:
    gateway.client.get("/leveldown")
    assert 50 < upstream.calls[0].seconds_left <= 60


@pytest.mark.parametrize("request_id", ["a", "a" * 128, "trace:1/2", None])
def test_a_valid_request_id_is_kept(
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
def test_a_header_that_would_make_grpc_fail_does_no_harm(
    gateway: Gateway, upstream: Upstream, family: Family
) -> None:
    for name, value in ODD_HEADERS:
        upstream.calls.clear()
        headers = [(name, value), (b"authorization", b"token"), (b"traceparent", b"00-1-2-01")]
        assert family.call(gateway, headers=headers).status_code == 200, name
        (call,) = upstream.calls
        assert set(call.metadata) <= {
            *("authorization", "traceparent", "user-agent", "x-request-id"),
            *("x-envoy-original-method", "x-forwarded-proto", "x-envoy-expected-rq-timeout-ms"),
        }, name
        assert call.metadata["authorization"] == "token"


@family
@pytest.mark.parametrize("token", ["令牌".encode(), b"a" * 20_000])
def test_a_token_that_is_not_printable_or_too_long_is_401(
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
def test_a_body_may_have_at_most_1_mebibyte(
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


@family
def test_a_reply_reveals_nothing_of_the_services(
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
            *(["x-levelgate-reason"] if answer else []),
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


@family
def test_a_call_that_fails_because_of_the_store_is_not_retried(
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
def test_a_call_that_writes_is_sent_only_once(
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
