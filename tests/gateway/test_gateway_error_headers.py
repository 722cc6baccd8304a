"""The headers by which a program tells failures apart: docs/errors.md."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from grpc import StatusCode

from levelgate.member.v1.member_level_pb2 import CreateRuleResponse
from services.runtime.error_catalogue import OUTCOME_OF_CODE, REASONS
from tests.gateway.families import (
    BUSY,
    FAMILIES,
    FORM,
    MEMBER,
    SHOP,
    SHOP_PAGE,
    UPBOT,
    Family,
    answered,
    told,
)
from tests.gateway.running import Gateway, running_gateway, wait_until
from tests.gateway.upstream import Upstream, bare, failing, slow
from tests.gateway.wire import Wire

REASON, FIELD, RETRY = "x-levelgate-reason", "x-levelgate-field", "retry-after"
family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@family
def test_the_reason_of_the_service_is_in_a_header(
    gateway: Gateway, upstream: Upstream, family: Family
) -> None:
    for name, entry in REASONS.items():
        upstream.answers[family.rpc] = failing(entry.code, "x", reason=name)
        reply = family.call(gateway)
        seconds = OUTCOME_OF_CODE[entry.code].retry_after if entry.code in OUTCOME_OF_CODE else 0
        assert told(reply) == {REASON: name, **({RETRY: str(seconds)} if seconds else {})}, name


# By code, where the service names no reason of the catalogue.
WITHOUT_REASON = [
    (StatusCode.INVALID_ARGUMENT, "INVALID_PARAMETER"),
    (StatusCode.NOT_FOUND, "UNSPECIFIED"),
    (StatusCode.ABORTED, "UNSPECIFIED"),
    (StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"),
    (StatusCode.PERMISSION_DENIED, "SCOPE_MISSING"),
    (StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED"),
    (StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE"),
    (StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
    (StatusCode.DATA_LOSS, "INTERNAL"),
]


@pytest.mark.parametrize(("code", "reason"), WITHOUT_REASON, ids=str)
def test_a_failure_without_a_reason_of_the_catalogue_gets_one_by_its_code(
    gateway: Gateway, upstream: Upstream, code: StatusCode, reason: str
) -> None:
    for answer in (bare(code, "x"), failing(code, reason="OF_NOBODY")):
        upstream.answers[MEMBER.rpc] = answer
        assert told(MEMBER.call(gateway))[REASON] == reason


FIELDS = [
    (MEMBER, "vipLevel", "vipLevel"),
    (MEMBER, "vip_level", "vipLevel"),
    (MEMBER, "rules[12].downPoint", "rules[12].downPoint"),
    (SHOP_PAGE, "uid", "uid"),
    (UPBOT, "compare_info.rvalue", "compare_info.rvalue"),
    (UPBOT, "condition.not.all.conditions[0].level_in.levels", None),
    (UPBOT, "gid", "gids"),
    # Not the names of the contracts, so perhaps the bytes of a caller.
    (UPBOT, "vipLevel", ""),
    (MEMBER, "nothing", ""),
    (MEMBER, "vipLevel.nothing", ""),
    (MEMBER, "vipLevel[x]", ""),
    (MEMBER, "vipLevel\r\nset-cookie: a", ""),
    (MEMBER, "用户", ""),
    (MEMBER, ".".join(["rules"] * 60), ""),
    (MEMBER, "", ""),
]


@pytest.mark.parametrize(("family", "field", "wanted"), FIELDS, ids=str)
def test_the_field_is_in_a_header_if_the_contract_has_it(
    gateway: Gateway, upstream: Upstream, family: Family, field: str, wanted: str | None
) -> None:
    # A business failure names its field too, although the body does not.
    for code in (StatusCode.INVALID_ARGUMENT, StatusCode.ABORTED):
        upstream.answers[family.rpc] = failing(code, "x", field=field)
        reply = family.call(gateway)
        assert reply.headers.get(FIELD, "") == (field if wanted is None else wanted)
        assert "set-cookie" not in reply.headers


STARS, RULES = "/upbot/api/CheckStarState", "/vipBiz/preview"
TOO_LONG = "a" * 40_000
# What the gateway itself refuses: method, path, options, reason, field.
REFUSED = [
    ("GET", "/upbot", {}, "METHOD_UNKNOWN", ""),
    ("GET", "/vipBiz/", {}, "METHOD_UNKNOWN", ""),
    ("GET", "/?route=other", {}, "METHOD_UNKNOWN", ""),
    ("GET", "/nowhere", {}, "METHOD_UNKNOWN", ""),
    ("PUT", "/vipBiz", {}, "WRONG_METHOD", ""),
    ("POST", SHOP, {}, "WRONG_METHOD", ""),
    ("HEAD", STARS, {}, "WRONG_METHOD", ""),
    ("POST", STARS, {"content": b"a" * (2**20 + 1)}, "MESSAGE_TOO_LARGE", ""),
    ("POST", "/vipBiz", {"content": b"a" * (2**20 + 1)}, "MESSAGE_TOO_LARGE", ""),
    ("GET", SHOP, {"headers": {"authorization": "a" * 1025}}, "TOKEN_INVALID", ""),
    ("POST", STARS, {"content": b"{"}, "INVALID_PARAMETER", ""),
    ("POST", "/vipBiz", {"content": b"{"}, "INVALID_PARAMETER", ""),
    ("GET", f"{SHOP}&uid=%FF", {}, "INVALID_PARAMETER", ""),
    ("POST", STARS, {"json": {"device": [1]}}, "INVALID_PARAMETER", "device"),
    ("POST", STARS, {"json": {"device": {}}}, "INVALID_PARAMETER", "device"),
    ("POST", STARS, {"json": {"gid": [1, "b"]}}, "INVALID_PARAMETER", "gids"),
    ("POST", STARS, {"json": {"gids": ["a\"\r\nb: c"]}}, "INVALID_PARAMETER", "gids"),
    ("POST", STARS, {"content": b'{"openid":"a","openid":"b"}'}, "INVALID_PARAMETER", "openid"),
    ("POST", "/upbot/api/BatchCheckEligibility", {"json": {"openids": ["a", TOO_LONG]}},
     "INVALID_PARAMETER", "openids[1]"),
    ("POST", "/upbot/api/CheckGameInfo", {"json": {"compare_info": {"rvalue": "a"}}},
     "INVALID_PARAMETER", "compare_info.rvalue"),
    ("POST", "/vipBiz", {"content": "vip_level=a", "headers": FORM}, "INVALID_PARAMETER",
     "vipLevel"),
    ("POST", RULES, {"json": {"rules": [{}, {"down_point": "a"}]}}, "INVALID_PARAMETER",
     "rules[1].downPoint"),
    ("GET", "/userlevel/7?userId=8", {}, "INVALID_PARAMETER", "userId"),
    ("GET", f"{SHOP}&uid=7&uid=8", {}, "INVALID_PARAMETER", "uid"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "url", "options", "reason", "field"), REFUSED)
def test_what_the_gateway_refuses_has_a_reason_and_the_field(
    gateway: Gateway,
    upstream: Upstream,
    *,
    method: str,
    url: str,
    options: dict[str, object],
    reason: str,
    field: str,
) -> None:
    reply = gateway.client.request(method, url, **options)  # type: ignore[arg-type]
    assert told(reply) == {REASON: reason, **({FIELD: field} if field else {})}
    assert upstream.calls == []


@family
def test_a_service_without_a_healthy_instance_is_a_reason(
    gateway: Gateway, upstream: Upstream, family: Family
) -> None:
    def call() -> httpx.Response:
        return family.call(gateway)

    upstream.set_healthy(family.service, False)
    try:
        wait_until(lambda: call().status_code == 503, "its health is noticed")
        assert told(call()) == {REASON: "SERVICE_UNAVAILABLE", RETRY: "2"}
    finally:
        upstream.set_healthy(family.service, True)
        wait_until(lambda: call().status_code == 200, "it is back")


def test_a_gateway_with_too_many_calls_in_progress_is_a_reason(
    upstream: Upstream, tmp_path: Path
) -> None:
    changes = {"max_requests: 1024, max_retries": "max_requests: 1, max_retries"}
    upstream.answers["ShowUser"] = slow(1)
    with (
        running_gateway(tmp_path, upstream.ports, changes) as small,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(httpx.post, f"{small.client.base_url}/userlevel/show/7")
        wait_until(lambda: bool(upstream.calls), "the first call is in progress")
        reply = MEMBER.call(small)
        assert answered(reply)[0] == 503
        assert told(reply) == {REASON: "TOO_MANY_CALLS", RETRY: "2"}
        first.result()


def test_an_outcome_that_the_document_lists_is_no_failure(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers[MEMBER.rpc] = CreateRuleResponse(code="success", data="levelConflict")
    reply = MEMBER.call(gateway)
    assert (reply.json()["data"], told(reply)) == ("levelConflict", {})


def test_an_instance_that_dies_after_its_headers_is_a_reason(
    upstream: Upstream, tmp_path: Path
) -> None:
    # Such an answer does not pass Lua.
    upstream.answers[MEMBER.rpc] = slow(2, headers_first=True)
    wire = Wire(upstream.ports["member_level"])
    ports = {**upstream.ports, "member_level": wire.port}
    with running_gateway(tmp_path, ports) as running, ThreadPoolExecutor(1) as pool:
        call = pool.submit(MEMBER.call, running)
        wait_until(lambda: bool(upstream.calls), "the call is in progress")
        wire.cut()
        reply = call.result()
    assert answered(reply) == (503, MEMBER.failure(1000, BUSY))
    assert told(reply) == {REASON: "SERVICE_UNAVAILABLE", RETRY: "2"}
