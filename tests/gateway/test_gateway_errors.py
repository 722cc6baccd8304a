"""How the clients of each family see an error: docs/errors.md."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from grpc import StatusCode
from grpc_status import rpc_status

from tests.gateway.families import (
    BAD,
    BUSY,
    FAMILIES,
    MEMBER,
    NO_SCOPE,
    NO_TOKEN,
    SHOP_NO_TOKEN,
    SHOP_PAGE,
    TOO_MANY,
    UNKNOWN_PATH,
    UPBOT,
    Family,
    answered,
    none_failure,
    told,
)
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream, failing, raising, slow

family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)

# gRPC code of the service, HTTP status, `ret` of upbot, text (None: the message of the service).
STATUSES = [
    (StatusCode.INVALID_ARGUMENT, 200, 1001, BAD),
    (StatusCode.NOT_FOUND, 200, 1001, None),
    (StatusCode.ALREADY_EXISTS, 200, 1001, None),
    (StatusCode.FAILED_PRECONDITION, 200, 1001, None),
    (StatusCode.ABORTED, 200, 1001, None),
    (StatusCode.OUT_OF_RANGE, 200, 1001, None),
    (StatusCode.PERMISSION_DENIED, 403, 1003, NO_SCOPE),
    (StatusCode.RESOURCE_EXHAUSTED, 429, 1006, TOO_MANY),
    (StatusCode.UNAVAILABLE, 503, 1000, BUSY),
    (StatusCode.DEADLINE_EXCEEDED, 504, 1000, BUSY),
    (StatusCode.INTERNAL, 500, 1000, BUSY),
    (StatusCode.UNKNOWN, 500, 1000, BUSY),
    (StatusCode.CANCELLED, 500, 1000, BUSY),
    (StatusCode.UNIMPLEMENTED, 500, 1000, BUSY),
    (StatusCode.DATA_LOSS, 500, 1000, BUSY),
]


@family
@pytest.mark.parametrize(("code", "status", "ret", "msg"), STATUSES, ids=str)
def test_a_status_becomes_the_envelope_of_the_family(
    gateway: Gateway,
    upstream: Upstream,
    family: Family,
    code: StatusCode,
    status: int,
    ret: int,
    msg: str | None,
) -> None:
    own = '说 "不"\\\n{"details":['  # nothing in it may break the JSON around it
    upstream.answers[family.rpc] = failing(code, own)
    assert answered(family.call(gateway)) == (status, family.failure(ret, msg or own))


OF_LATER_CALLS = [
    ("POST", "/userlevel/points/7", "AddPoints", StatusCode.ABORTED),
    ("POST", "/userlevel/points/7", "AddPoints", StatusCode.ALREADY_EXISTS),
    ("POST", "/userlevel/points/7", "AddPoints", StatusCode.FAILED_PRECONDITION),
    ("GET", "/userlevel/at/7", "GetLevelAt", StatusCode.OUT_OF_RANGE),
    ("GET", "/vipBiz/version", "GetRuleBook", StatusCode.NOT_FOUND),
    ("POST", "/leveldown/plan", "PlanDemotion", StatusCode.FAILED_PRECONDITION),
]


@pytest.mark.parametrize(("method", "url", "rpc", "code"), OF_LATER_CALLS)
def test_a_business_error_is_http_200_with_the_message_of_the_service(
    gateway: Gateway, upstream: Upstream, method: str, url: str, rpc: str, code: StatusCode
) -> None:
    upstream.answers[rpc] = failing(code, "用户版本已变更", field="expectedVersion", version="7")
    reply = gateway.client.request(method, url)
    # Without the field, which is named only for a wrong parameter.
    assert answered(reply) == (200, MEMBER.failure(1001, "用户版本已变更"))


def test_a_field_in_a_list_is_named_as_the_service_names_it(
    gateway: Gateway, upstream: Upstream
) -> None:
    field = "rules[1].downPoint"
    upstream.answers["PreviewRules"] = failing(StatusCode.INVALID_ARGUMENT, "x", field=field)
    reply = gateway.client.post("/vipBiz/preview", json={"rules": [{}, {}]})
    assert answered(reply) == (200, MEMBER.failure(1001, f"{BAD}: {field}"))


def test_a_service_that_is_overloaded_is_429(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers["ListHistory"] = failing(StatusCode.RESOURCE_EXHAUSTED, "internal words")
    reply = gateway.client.get("/userlevel/history/7")
    assert answered(reply) == (429, MEMBER.failure(1006, TOO_MANY))


@pytest.mark.parametrize(
    ("family", "msg"), [(UPBOT, NO_TOKEN), (MEMBER, NO_TOKEN), (SHOP_PAGE, SHOP_NO_TOKEN)]
)
def test_no_token_is_401(gateway: Gateway, upstream: Upstream, family: Family, msg: str) -> None:
    upstream.answers[family.rpc] = failing(StatusCode.UNAUTHENTICATED, "internal words")
    assert answered(family.call(gateway)) == (401, family.failure(1002, msg))


@pytest.mark.parametrize(
    ("family", "msg"),
    [(UPBOT, BAD), (MEMBER, f"{BAD}: vipLevel"), (SHOP_PAGE, f"{BAD}: vipLevel")],
)
def test_member_and_shop_name_the_wrong_field_and_upbot_does_not(
    gateway: Gateway, upstream: Upstream, family: Family, msg: str
) -> None:
    upstream.answers[family.rpc] = failing(StatusCode.INVALID_ARGUMENT, "x", field="vipLevel")
    assert answered(family.call(gateway)) == (200, family.failure(1001, msg))


def test_a_service_can_choose_the_ret_of_upbot(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers[UPBOT.rpc] = failing(StatusCode.NOT_FOUND, "没有", ret="1044")
    assert answered(UPBOT.call(gateway)) == (200, UPBOT.failure(1044, "没有"))


@family
def test_details_of_an_unknown_type_are_ignored(
    gateway: Gateway, upstream: Upstream, family: Family
) -> None:
    status = status_pb2.Status(code=StatusCode.NOT_FOUND.value[0], message="没有")
    status.details.add(type_url="type.googleapis.com/some.Other", value=b"x")

    def answer(_request: Any, context: grpc.ServicerContext) -> None:
        context.abort_with_status(rpc_status.to_status(status))

    upstream.answers[family.rpc] = answer
    assert answered(family.call(gateway)) == (200, family.failure(1001, "没有"))


@family
def test_other_headers_of_a_service_are_not_passed_on(
    gateway: Gateway, upstream: Upstream, family: Family
) -> None:
    def answer(request: Any, context: grpc.ServicerContext) -> None:
        context.send_initial_metadata((("x-envoy-inside", "SECRET"), ("grpc-inside", "SECRET")))
        failing(StatusCode.NOT_FOUND, "没有")(request, context)

    upstream.answers[family.rpc] = answer
    reply = family.call(gateway)
    assert answered(reply) == (200, family.failure(1001, "没有"))
    assert "SECRET" not in str(reply.headers)


@family
def test_an_empty_message_becomes_the_text_of_the_catalogue(
    gateway: Gateway, upstream: Upstream, family: Family
) -> None:
    upstream.answers[family.rpc] = failing(StatusCode.NOT_FOUND)
    assert answered(family.call(gateway)) == (200, family.failure(1001, BAD))


@family
def test_the_text_of_an_exception_is_never_passed_on(
    gateway: Gateway, upstream: Upstream, family: Family
) -> None:
    upstream.answers[family.rpc] = raising
    assert answered(family.call(gateway)) == (500, family.failure(1000, BUSY))


def test_a_service_that_is_too_slow_is_504(gateway: Gateway, upstream: Upstream) -> None:
    # After the headers of the service Envoy's own answer does not pass the Lua filter.
    headers_first = "headers-first"

    def late(request: Any, context: grpc.ServicerContext) -> None:
        ids = [value for name, value in context.invocation_metadata() if name == "x-request-id"]
        slow(3, headers_first=ids == [headers_first])(request, context)

    for family in FAMILIES:
        upstream.answers[family.rpc] = late
    calls = list(product(FAMILIES, (headers_first, "nothing-first")))
    with ThreadPoolExecutor(len(calls)) as pool:
        replies = list(
            pool.map(lambda call: call[0].call(gateway, headers={"x-request-id": call[1]}), calls)
        )
    for (family, _), reply in zip(calls, replies, strict=True):
        assert answered(reply) == (504, family.failure(1000, BUSY))
        assert told(reply) == {"x-levelgate-reason": "DEADLINE_EXCEEDED"}


REFUSED_EARLY = {
    "no HTTP": (b"hello\r\n\r\n", 400),
    "no host": (b"GET /show HTTP/1.1\r\n\r\n", 400),
    "a host that is none": (b"GET /show HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
    "a fragment": (b"GET /show#x HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    "a raw control byte": (b"GET /userlevel/\x01 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    "a raw NUL": (b"GET /userlevel/\x00 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    "raw UTF-8": ("GET /userlevel/用 HTTP/1.1\r\nhost: a\r\n\r\n".encode(), 400),
    "no slash": (b"GET show HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    "a method that is no word": (b"B<W /show HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    "two lengths": (
        b"POST /vipBiz HTTP/1.1\r\nhost: a\r\n"
        b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        400,
    ),
    "another encoding": (
        b"POST /vipBiz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        501,
    ),
    "a path to everything": (b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 404),
    "a tunnel": (b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n", 404),
    "large headers": (
        b"GET /show HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 70_000 + b"\r\n\r\n",
        431,
    ),
    "headers that never end": (b"GET /show HTTP/1.1\r\nhost: a\r\n", 408),
}


@pytest.mark.parametrize(("request_bytes", "status"), REFUSED_EARLY.values(), ids=REFUSED_EARLY)
def test_a_request_that_is_refused_before_its_path_is_known_gets_a_body(
    impatient: Gateway, request_bytes: bytes, status: int
) -> None:
    head, _, body = impatient.raw(request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"content-type: application/json; charset=utf-8" in head
    assert body.decode() == none_failure(status, UNKNOWN_PATH if status == 404 else BAD)
    reason = {404: b"METHOD_UNKNOWN", 408: b"REQUEST_TIMEOUT"}.get(status, b"INVALID_PARAMETER")
    assert b"x-levelgate-reason: " + reason + b"\r\n" in head


def test_http_1_0_is_answered(gateway: Gateway) -> None:
    answer = gateway.raw(b"GET /show HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert answer.endswith(b'{"code":"","msg":"","data":[]}')


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_an_offer_to_upgrade_is_ignored(gateway: Gateway, protocol: str) -> None:
    headers = {"connection": "Upgrade, HTTP2-Settings", "upgrade": protocol, "http2-settings": "AA"}
    assert gateway.client.get("/show", headers=headers).status_code == 200
