"""The parameters of the member calls that are not in the API document."""

import pytest

from tests.gateway.families import BAD, FORM, JSON, MEMBER, answered
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream, received

OF_LATER_CALLS = (
    *("delta", "billNo", "expectedVersion", "time", "version", "rules"),
    *("points", "pageSize", "cursor", "sampleSize"),
)


@pytest.mark.parametrize(
    ("method", "url", "rpc"),
    [
        ("GET", "/userlevel/7", "InitUser"),
        ("GET", "/userlevel/time", "InitUser"),
        ("DELETE", "/userlevel/points", "DeleteUser"),
        ("POST", "/userlevel/7", "UpdateUser"),
        ("POST", "/userlevel/show/7", "ShowUser"),
        ("POST", "/vipBiz", "CreateRule"),
        ("POST", "/vipBiz/update", "UpdateRule"),
        ("GET", "/show", "ListRules"),
        ("GET", "/leveldown", "LevelDown"),
    ],
)
def test_a_documented_call_ignores_what_only_later_ones_read(
    gateway: Gateway, upstream: Upstream, method: str, url: str, rpc: str
) -> None:
    query = "&".join(f"{name}=1&{name}=2" for name in OF_LATER_CALLS)
    body = b'{"rules":{"a":[null]},"rules":[[1]]}'
    assert gateway.client.request(method, f"{url}?{query}", content=body).status_code == 200
    assert [call.rpc for call in upstream.calls] == [rpc]


LATER_CALLS: list[tuple[str, str, str | None, dict[str, str], dict[str, object]]] = [
    (
        "POST",
        "/userlevel/points/7?delta=-5&billNo=%E4%B8%AD+1",
        "expectedVersion=3",
        FORM,
        {"user_id": "7", "delta": -5, "bill_no": "中 1", "expected_version": 3},
    ),
    # Above 2^53, where a float cannot represent every integer.
    (
        "POST",
        "/userlevel/points/7",
        '{"delta":0,"expectedVersion":9007199254740993,"userId":"9","use_id":[1]}',
        JSON,
        {"user_id": "7", "delta": 0, "expected_version": 2**53 + 1},
    ),
    (
        "POST",
        "/userlevel/points/7",
        '{"delta":"1","expected_version":"9007199254740993"}',
        JSON,
        {"user_id": "7", "delta": 1, "expected_version": 2**53 + 1},
    ),
    ("POST", "/userlevel/points/7", '{"delta":null}', JSON, {"user_id": "7"}),
    ("GET", "/userlevel/history/7?time=1&time=2", None, {}, {"user_id": "7"}),
    ("GET", "/vipBiz/version?version=0", None, {}, {"version": 0}),
    ("GET", "/vipBiz/version", None, {}, {}),
    ("POST", "/leveldown/plan", "sampleSize=0", FORM, {"sample_size": 0}),
    (
        "GET",
        "/leveldown/atRisk?points=5&page_size=3&cursor=a%2Bb%3D",
        None,
        {},
        {"points": 5, "page_size": 3, "cursor": "a+b="},
    ),
]


@pytest.mark.parametrize(("method", "url", "body", "headers", "fields"), LATER_CALLS)
def test_later_calls_read_parameters_as_documented_calls_do(
    gateway: Gateway,
    upstream: Upstream,
    method: str,
    url: str,
    body: str | None,
    headers: dict[str, str],
    fields: dict[str, object],
) -> None:
    reply = gateway.client.request(method, url, content=body and body.encode(), headers=headers)
    assert reply.status_code == 200
    assert received(upstream)[1] == fields


TIMES = {
    "2026-11-21T08:00:00Z": (1795248000, 0),
    "2026-11-21T08:00:00.123456789Z": (1795248000, 123456789),
    "2026-11-21T16:00:00%2B08:00": (1795248000, 0),
}


@pytest.mark.parametrize(("escaped", "wanted"), TIMES.items())
def test_a_time_may_be_in_a_query(
    gateway: Gateway, upstream: Upstream, escaped: str, wanted: tuple[int, int]
) -> None:
    gateway.client.get(f"/userlevel/at/7?time={escaped}")
    (call,) = upstream.calls
    assert (call.request.time.seconds, call.request.time.nanos) == wanted


WRONG_TIMES = (
    "",
    "yesterday",
    "1700000000",
    "2026-11-21",
    "2026-13-21T08:00:00Z",
    "2026-11-21T08:00:00+08:00",
)


def test_a_wrong_time_is_named(gateway: Gateway, upstream: Upstream) -> None:
    for escaped in WRONG_TIMES:
        reply = gateway.client.get(f"/userlevel/at/7?time={escaped}")
        assert answered(reply) == (200, MEMBER.failure(1001, f"{BAD}: time")), escaped
    assert upstream.calls == []


def test_a_thousand_rules_pass_unchanged(gateway: Gateway, upstream: Upstream) -> None:
    rules = [{"vipLevel": n, "downPoint": str(n), "upPoint": n + 1} for n in range(1000)]
    gateway.client.post("/vipBiz/preview", json={"rules": rules})
    (call,) = upstream.calls
    assert [(rule.vip_level, rule.down_point, rule.up_point) for rule in call.request.rules] == [
        (n, n, n + 1) for n in range(1000)
    ]


def test_only_the_given_fields_of_a_rule_are_passed_on(
    gateway: Gateway, upstream: Upstream
) -> None:
    body = b'{ "rules" : [ {"vip_level":0,"name":"\\u4e2d","more":[[1]]} , {} ] , "more" : 1 }'
    gateway.client.post("/vipBiz/preview", content=body, headers=JSON)
    (call,) = upstream.calls
    first, second = call.request.rules
    assert [(field.name, value) for field, value in first.ListFields()] == [("vip_level", 0)]
    assert second.ListFields() == []


WRONG_RULES = [
    ("[[{}]]", "rules"),
    ("[{},null]", "rules"),
    ("[{},[]]", "rules"),
    ('{"vipLevel":1}', "rules"),
    ('"[]"', "rules"),
    ("[{},1]", "rules[1]"),
    ('[{},{"vipLevel":1,"vip_level":1}]', "rules[1].vipLevel"),
    ('[{},{"vip_level":"x"}]', "rules[1].vipLevel"),
    ('[{"downPoint":true}]', "rules[0].downPoint"),
    ('[{"upPoint":{}}]', "rules[0].upPoint"),
]


def test_a_wrong_rule_is_named_by_its_place(gateway: Gateway, upstream: Upstream) -> None:
    for rules, field in WRONG_RULES:
        body = f'{{"rules":{rules}}}'.encode()
        reply = gateway.client.post("/vipBiz/preview", content=body, headers=JSON)
        assert answered(reply) == (200, MEMBER.failure(1001, f"{BAD}: {field}")), rules
    assert upstream.calls == []
