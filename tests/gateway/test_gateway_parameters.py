"""Where parameters may be given, and which requests are refused before a service gets them."""

import gzip
import json

import pytest

from tests.gateway.families import BAD, MEMBER, SHOP, SHOP_PAGE, UPBOT, answered
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}


def received(upstream: Upstream) -> tuple[str, dict[str, object]]:
    """The only call: its RPC, and its fields by their proto names."""
    (call,) = upstream.calls
    fields = {descriptor.name: value for descriptor, value in call.request.ListFields()}
    return call.rpc, fields


RULE = {"vip_level": 1, "name": "黄铜 会员+", "down_point": 500, "up_point": 800, "pic_url": ""}
RULE_QUERY = "vipLevel=1&name=%E9%BB%84%E9%93%9C+%E4%BC%9A%E5%91%98%2B&downPoint=500&upPoint=800"
SPELLINGS = {
    "query": ("/vipBiz?" + RULE_QUERY + "&picUrl=", None, {}),
    "query with a form's type": ("/vipBiz?" + RULE_QUERY + "&picUrl=", None, FORM),
    "form": ("/vipBiz", RULE_QUERY + "&picUrl=", FORM),
    "form, proto names": (
        "/vipBiz",
        "vip_level=1&name=%E9%BB%84%E9%93%9C+%E4%BC%9A%E5%91%98%2B&down_point=500&up_point=800&pic_url=",
        FORM,
    ),
    "form with a charset": (
        "/vipBiz",
        RULE_QUERY + "&picUrl=",
        {"content-type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"},
    ),
    "query and form": (
        "/vipBiz?vipLevel=1&name=%E9%BB%84%E9%93%9C+%E4%BC%9A%E5%91%98%2B",
        "downPoint=500&upPoint=800&picUrl",
        FORM,
    ),
    "JSON": (
        "/vipBiz",
        '{"vipLevel":1,"name":"黄铜 会员+","downPoint":500,"upPoint":"800","picUrl":""}',
        JSON,
    ),
    "JSON without a type": (
        "/vipBiz",
        '{"vip_level":1,"name":"\\u9ec4铜 会员+","down_point":500,"up_point":800,"pic_url":""}',
        {},
    ),
    "JSON that curl -d calls a form": (
        "/vipBiz",
        ' {"vipLevel":1,"name":"黄铜 会员+","downPoint":500,"upPoint":800,"picUrl":"","a":"b=c"}',
        FORM,
    ),
    "query and JSON": (
        "/vipBiz?vipLevel=1&picUrl=",
        '{"name":"黄铜 会员+","downPoint":500,"upPoint":800,"more":{"a":[1]}}',
        JSON,
    ),
}


@pytest.mark.parametrize(("url", "body", "headers"), SPELLINGS.values(), ids=SPELLINGS)
def test_member_parameters_may_be_in_the_query_a_form_or_json(
    gateway: Gateway, upstream: Upstream, url: str, body: str | None, headers: dict[str, str]
) -> None:
    content = body and body.encode()
    assert gateway.client.post(url, content=content, headers=headers).status_code == 200
    assert received(upstream) == ("CreateRule", RULE)


@pytest.mark.parametrize(
    ("url", "body", "headers"),
    [
        ("/vipBiz?id=6", None, {}),
        ("/vipBiz", "id=6", FORM),
        ("/vipBiz", '{"id":6}', JSON),
        ("/vipBiz", '{"id":"6"}', {}),
    ],
)
def test_a_delete_may_have_a_body(
    gateway: Gateway, upstream: Upstream, url: str, body: str | None, headers: dict[str, str]
) -> None:
    content = body and body.encode()
    gateway.client.request("DELETE", url, content=content, headers=headers)
    assert received(upstream) == ("DeleteRule", {"id": 6})


UPGRADES = [
    ("?point=3", None, {}),
    ("?%70oint=3", None, {}),
    ("?p%6fint=%33&other=1&other=2", None, {}),
    ("?userId=7&point=3&useId=7&user_id=%37&use_id=7", None, {}),
    ("", "point=3", FORM),
    ("", "useId=9&point=3", FORM),
    ("", '{"point":3}', JSON),
    ("", '{"p\\u006fint":"3","userId":9,"user_id":{"a":1},"useId":null}', JSON),
]


@pytest.mark.parametrize(("query", "body", "headers"), UPGRADES)
def test_with_point_a_get_upgrades(
    gateway: Gateway, upstream: Upstream, query: str, body: str | None, headers: dict[str, str]
) -> None:
    content = body and body.encode()
    gateway.client.request("GET", "/userlevel/7" + query, content=content, headers=headers)
    assert received(upstream) == ("UpgradeUser", {"user_id": "7", "point": 3})


@pytest.mark.parametrize(
    ("query", "body", "headers"),
    [
        ("", None, {}),
        ("?", None, {}),
        ("?pointless=3&useId=7", None, {}),
        ("?Point=3", None, {}),
        ("", "useId=9", FORM),
        ("", "{}", JSON),
        ("", '{"userId":"9"}', JSON),
    ],
)
def test_without_point_a_get_initialises(
    gateway: Gateway, upstream: Upstream, query: str, body: str | None, headers: dict[str, str]
) -> None:
    content = body and body.encode()
    gateway.client.request("GET", "/userlevel/7" + query, content=content, headers=headers)
    assert received(upstream) == ("InitUser", {"user_id": "7"})


WRONG_POINTS: list[tuple[str, str | None, dict[str, str]]] = [
    ("?point=", None, {}),
    ("?point", None, {}),
    ("?point=abc", None, {}),
    ("?point=1.5", None, {}),
    ("?point=1e3", None, {}),
    ("?point=%203", None, {}),
    ("?point=0x10", None, {}),
    ("?point=2147483648", None, {}),
    ("?point=-2147483649", None, {}),
    ("?point=99999999999999999999", None, {}),
    ("?point=%EF%BC%93", None, {}),
    ("?point=1&point=1", None, {}),
    ("?point=1&%70oint=2", None, {}),
    ("", "point=", FORM),
    ("", "point=1&point=2", FORM),
    ("?point=1", "point=1", FORM),
    ("?point=1", '{"point":1}', JSON),
    ("", '{"point":1,"point":2}', JSON),
    ("", '{"point":""}', JSON),
    ("", '{"point":"x"}', JSON),
    ("", '{"point":1.5}', JSON),
    ("", '{"point":true}', JSON),
    ("", '{"point":{}}', JSON),
]


def test_a_wrong_point_is_named_and_never_initialises(gateway: Gateway, upstream: Upstream) -> None:
    for query, body, headers in WRONG_POINTS:
        content = body and body.encode()
        reply = gateway.client.request(
            "GET", f"/userlevel/7{query}", content=content, headers=headers
        )
        assert answered(reply) == (200, MEMBER.failure(1001, f"{BAD}: point")), (query, body)
    assert upstream.calls == []


def test_a_null_point_reaches_the_service_which_refuses_it(
    gateway: Gateway, upstream: Upstream
) -> None:
    gateway.client.request("GET", "/userlevel/7", content=b'{"point":null}', headers=JSON)
    assert received(upstream) == ("UpgradeUser", {"user_id": "7"})


OTHER_USERS = [
    "userId=9",
    "useId=9",
    "user_id=9",
    "use_id=9",
    "userId=",
    "user%49d=9",
    "userId=7&useId=8",
]


# Every spelling for one call, and one spelling for every other call.
CALLS_FOR_OTHER_USERS = [
    *(("GET", "7", query) for query in OTHER_USERS),
    *(
        (method, path, "userId=9")
        for method, path in (
            ("POST", "7"),
            ("DELETE", "7"),
            ("POST", "show/7"),
            ("POST", "points/7"),
            ("GET", "history/7"),
            ("GET", "at/7"),
        )
    ),
]


def test_a_query_may_not_name_another_user(gateway: Gateway, upstream: Upstream) -> None:
    for method, path, query in CALLS_FOR_OTHER_USERS:
        reply = gateway.client.request(method, f"/userlevel/{path}?{query}")
        assert answered(reply) == (200, MEMBER.failure(1001, f"{BAD}: userId")), (path, query)
    assert upstream.calls == []


def test_the_user_of_a_query_is_compared_decoded(gateway: Gateway, upstream: Upstream) -> None:
    gateway.client.delete("/userlevel/a%2Fb?userId=%61%2fb")
    assert received(upstream) == ("DeleteUser", {"user_id": "a/b"})


BODIES_WITH_USERS = [
    ("userId=9&useId=8&user_id=7&use_id=6&vipLevel=2&partnerId=p", FORM),
    ('{"userId":"9","useId":"8","user_id":"7","use_id":"6","vipLevel":2,"partnerId":"p"}', JSON),
    ('{"userId":9,"userId":[],"vip_level":2,"partner_id":"p"}', JSON),
]


@pytest.mark.parametrize(("body", "headers"), BODIES_WITH_USERS)
def test_a_user_in_a_body_is_ignored(
    gateway: Gateway, upstream: Upstream, body: str, headers: dict[str, str]
) -> None:
    gateway.client.post("/userlevel/5", content=body.encode(), headers=headers)
    wanted = {"user_id": "5", "vip_level": 2, "partner_id": "p"}
    assert received(upstream) == ("UpdateUser", wanted)


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


NESTED = b'{"openid":"a","x":' + b"[" * 70 + b"]" * 70 + b"}"
MALFORMED = {
    "nothing but space": b"  ",
    "half": b'{"openid":',
    "a comma too many": b'{"openid":"a",}',
    "single quotes": b"{'openid':'a'}",
    "bare names": b'{openid:"a"}',
    "two objects": b"{}{}",
    "an array": b"[1]",
    "an array that goes on": b'{"level":[1,]}',
    "an array that ends otherwise": b'{"level":[1}',
    "an array with nothing in it": b'{"level":[1,,2]}',
    "a leading zero in an array": b'{"level":[01]}',
    "an object that ends otherwise": b'{"openid":"a"]',
    "an object that does not end": b'{"openid":"a","level":[1]',
    "something after it": b'{"openid":"a","level":[1]}x',
    "no comma": b'{"openid":"a" "level":[1]}',
    "no value": b'{"openid":"a","level":}',
    "no number": b'{"level":-}',
    "a string": b'"a"',
    "null": b"null",
    "a number": b"1",
    "a leading zero": b'{"a":01}',
    "NaN": b'{"a":NaN}',
    "a raw line feed": b'{"a":"\n"}',
    "an unknown escape": b'{"a":"\\x"}',
    "an escape outside a text": b'{"level":1\\n}',
    "an escape that another would complete": b'{"a":"\\u00\\n41"}',
    "an escaped quote at the end": b'{"a":"\\"}',
    "half a surrogate pair": b'{"openid":"\\ud800"}',
    "the wrong half": b'{"openid":"\\udc00\\ud800"}',
    "bad UTF-8": b'{"openid":"\xff"}',
    "overlong UTF-8": b'{"openid":"\xc0\x80"}',
    "a surrogate in UTF-8": b'{"openid":"\xed\xa0\x80"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "gzip": gzip.compress(b"{}"),
    "nesting": NESTED,
    "more values than any contract has": b'{"x":[' + b"1," * 5000 + b"1]}",
    "more names than any contract has": b"{" + b",".join(b'"%d":1' % n for n in range(5000)) + b"}",
    "a form": b"openid=a",
}


def test_a_malformed_body_is_a_parameter_error(gateway: Gateway, upstream: Upstream) -> None:
    for what, body in MALFORMED.items():
        reply = UPBOT.call(gateway, content=body, headers=JSON)
        assert answered(reply) == (200, UPBOT.failure(1001, BAD)), what
    reply = MEMBER.call(gateway, content=MALFORMED["half"], headers=JSON)
    assert answered(reply) == (200, MEMBER.failure(1001, BAD))
    assert upstream.calls == []


def test_a_malformed_body_never_initialises(gateway: Gateway, upstream: Upstream) -> None:
    for what, body in MALFORMED.items():
        reply = gateway.client.request("GET", "/userlevel/7", content=body, headers=JSON)
        assert answered(reply) == (200, MEMBER.failure(1001, BAD)), what
    assert upstream.calls == []


BAD_QUERIES = [
    "a&" * 1001,
    "a=%FF",
    "a=%",
    "a=%4",
    "%zz=1",
    "a=%ED%A0%80",
    "a=%C0%80",
    "%E4%B8=1",
    "a=%E4%C2%80%B8%AD",
]


def test_a_malformed_query_is_a_parameter_error(gateway: Gateway, upstream: Upstream) -> None:
    for query in BAD_QUERIES:
        for path, family in ((f"/show?{query}", MEMBER), (f"{SHOP}&{query}", SHOP_PAGE)):
            answer = gateway.raw(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), query[:12]
            assert body.decode() == family.failure(1001, BAD), query[:12]
    assert upstream.calls == []


def test_a_malformed_form_is_a_parameter_error(gateway: Gateway, upstream: Upstream) -> None:
    for form in (*BAD_QUERIES, '{"vipLevel":1', "{a}=1&vipLevel=1"):
        reply = gateway.client.post("/vipBiz", content=form.encode(), headers=FORM)
        assert answered(reply) == (200, MEMBER.failure(1001, BAD)), form[:12]
    assert upstream.calls == []


MALFORMED_USERS = [
    *(("GET", user) for user in ("%FF", "100%", "%4", "%zz", "%ED%A0%80")),
    *(("POST", "show/%FF"), ("POST", "points/%FF"), ("GET", "history/%FF"), ("GET", "at/%FF")),
]


def test_a_malformed_user_is_named(gateway: Gateway, upstream: Upstream) -> None:
    for method, user in MALFORMED_USERS:
        request = f"{method} /userlevel/{user} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
        answer = gateway.raw(request.encode())
        assert answer.endswith(MEMBER.failure(1001, f"{BAD}: userId").encode()), user
    assert upstream.calls == []


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        None,
    ],
)
def test_upbot_reads_json_whatever_its_type_says(
    gateway: Gateway, upstream: Upstream, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    body = b'{"openid":"xx","gid":[1279,"79"],"gids":80,"unknown":[[1]]}'
    gateway.client.post(UPBOT.url + "?openid=other&device=2", content=body, headers=headers)
    assert received(upstream) == ("CheckStarState", {"openid": "xx", "gid": [1279, 79, 80]})


LONGEST = 32_768
POINTS = "/userlevel/points/7"
MEBIBYTE_OF_ESCAPES = '"' + "\\n" * 524_000 + '"'
LONG_VALUES = {
    "control characters in a form": (POINTS, "billNo=" + "\x01" * 1_048_000, FORM, "billNo"),
    "escapes in a form": (POINTS, "bill_no=" + "%01" * 349_000, FORM, "billNo"),
    "escapes in JSON": (POINTS, f'{{"billNo":{MEBIBYTE_OF_ESCAPES}}}', JSON, "billNo"),
    "one byte too many in a form": (POINTS, "billNo=" + "a" * (LONGEST + 1), FORM, "billNo"),
    "one byte too many in a query": (
        f"{POINTS}?billNo=" + "a" * (LONGEST + 1),
        None,
        {},
        "billNo",
    ),
    "one byte too many in JSON": (
        POINTS,
        json.dumps({"billNo": "a" * (LONGEST + 1)}),
        JSON,
        "billNo",
    ),
    "in a rule": (
        "/vipBiz/preview",
        json.dumps({"rules": [{}, {"upPoint": "1" * (LONGEST + 1)}]}),
        JSON,
        "rules[1].upPoint",
    ),
}


@pytest.mark.parametrize(("url", "body", "headers", "field"), LONG_VALUES.values(), ids=LONG_VALUES)
def test_a_value_longer_than_any_contract_accepts_is_named_and_not_decoded(
    gateway: Gateway,
    upstream: Upstream,
    url: str,
    body: str | None,
    headers: dict[str, str],
    field: str,
) -> None:
    reply = gateway.client.post(url, content=body and body.encode(), headers=headers)
    assert answered(reply) == (200, MEMBER.failure(1001, f"{BAD}: {field}"))
    assert upstream.calls == []


@pytest.mark.parametrize(
    "body",
    [
        f'{{"openid":{MEBIBYTE_OF_ESCAPES}}}',
        json.dumps({"openid": "a", "gid": ["1", "1" * (LONGEST + 1)]}),
    ],
    ids=["escapes", "in a list"],
)
def test_upbot_refuses_a_value_longer_than_any_contract_accepts(
    gateway: Gateway, upstream: Upstream, body: str
) -> None:
    reply = gateway.client.post(UPBOT.url, content=body.encode(), headers=JSON)
    assert answered(reply) == (200, UPBOT.failure(1001, BAD))
    assert upstream.calls == []


def test_the_shop_names_a_value_longer_than_any_contract_accepts(
    gateway: Gateway, upstream: Upstream
) -> None:
    reply = gateway.client.get(f"{SHOP}&i=" + "1" * (LONGEST + 1))
    assert answered(reply) == (200, SHOP_PAGE.failure(1001, f"{BAD}: i"))
    assert upstream.calls == []


ESCAPES = '\\"\\\\\\/\\b\\f\\n\\r\\t\\u4e2d\\ud83c\\udf1f\\u005cn\\\\u0041'
LONG_ENOUGH = {
    "form": ("billNo=" + "%E4%B8%AD" * 2_048, FORM, "中" * 2_048),
    "form, the longest": ("billNo=" + "a" * LONGEST, FORM, "a" * LONGEST),
    "form, what JSON escapes": ("billNo=%00%1f%22%5C%0a%7F", FORM, '\0\x1f"\\\n\x7f'),
    "JSON": (json.dumps({"billNo": "🌟" * 2_048}), JSON, "🌟" * 2_048),
    "JSON, every escape": (f'{{"billNo":"{ESCAPES}"}}', JSON, json.loads(f'"{ESCAPES}"')),
    "ignored in a form": ("billNo=b&x=" + "\x01" * 1_048_000, FORM, "b"),
    "ignored in JSON": (f'{{"x":{MEBIBYTE_OF_ESCAPES},"billNo":"b"}}', JSON, "b"),
}


@pytest.mark.parametrize(("body", "headers", "wanted"), LONG_ENOUGH.values(), ids=LONG_ENOUGH)
def test_a_value_passes_unchanged(
    gateway: Gateway, upstream: Upstream, body: str, headers: dict[str, str], wanted: str
) -> None:
    assert gateway.client.post(POINTS, content=body.encode(), headers=headers).status_code == 200
    assert received(upstream)[1] == {"user_id": "7", "bill_no": wanted}


BATCH = "/upbot/api/BatchCheckEligibility"


def test_ten_thousand_users_and_their_versions_pass_unchanged(
    gateway: Gateway, upstream: Upstream
) -> None:
    openids = [f"openid-of-somebody-{number:08d}" for number in range(10_000)]
    versions = [{"openid": openid, "version": "7"} for openid in openids[:1000]]
    body = {"openids": openids, "condition": {"level_at_least": 1}, "min_versions": versions}
    reply = gateway.client.post(BATCH, json=body)
    assert reply.status_code == 200
    (call,) = upstream.calls
    assert list(call.request.openids) == openids
    assert [each.openid for each in call.request.min_versions] == openids[:1000]


def test_more_values_than_a_batch_can_have_are_refused(
    gateway: Gateway, upstream: Upstream
) -> None:
    reply = gateway.client.post(BATCH, content=b'{"openids":[' + b"1," * 50_000 + b"1]}")
    assert answered(reply) == (200, UPBOT.failure(1001, BAD))
    assert upstream.calls == []


def test_an_odd_value_is_found_at_any_depth(gateway: Gateway, upstream: Upstream) -> None:
    condition = '{"all":{"conditions":[{"not":{"not":{"level_in":{"levels":[[1]]}}}}]}}'
    body = f'{{"openid":"a","condition":{condition}}}'.encode()
    reply = gateway.client.post("/upbot/api/CheckEligibility", content=body)
    assert answered(reply) == (200, UPBOT.failure(1001, BAD))
    assert upstream.calls == []


def test_an_empty_upbot_body_reaches_the_service_which_refuses_it(
    gateway: Gateway, upstream: Upstream
) -> None:
    gateway.client.post(UPBOT.url)
    assert received(upstream) == ("CheckStarState", {})


SHOP_QUERIES: list[tuple[str, dict[str, object]]] = [
    ("", {}),
    ("&i=6", {"i": "6"}),
    ("&uid=a%2Bb+c&i=%E4%B8%AD%26", {"i": "中&", "uid": "a+b c"}),
    ("&type=5&type=6&version=v1.1.13&uuid=0&goods_id=", {}),
    ("&i=", {"i": ""}),
]


@pytest.mark.parametrize(("query", "fields"), SHOP_QUERIES)
def test_only_two_parameters_of_the_shop_are_passed_on(
    gateway: Gateway, upstream: Upstream, query: str, fields: dict[str, object]
) -> None:
    assert gateway.client.get(SHOP + query).status_code == 200
    assert received(upstream) == ("GetMemberLevels", fields)


@pytest.mark.parametrize("body", [b'{"i":"99","uid":"5"}', b"nonsense"])
def test_a_body_on_the_shops_page_is_ignored(
    gateway: Gateway, upstream: Upstream, body: bytes
) -> None:
    gateway.client.request("GET", SHOP + "&i=6", content=body, headers=JSON)
    assert received(upstream) == ("GetMemberLevels", {"i": "6"})


def test_a_thousand_codes_of_128_characters_pass(gateway: Gateway, upstream: Upstream) -> None:
    codes = [f"{number:04}" + "星" * 124 for number in range(1000)]
    for ensure_ascii in (False, True):
        upstream.reset()
        body = json.dumps({"openid": "a", "xinyue_codes": codes}, ensure_ascii=ensure_ascii)
        reply = gateway.client.post("/upbot/api/CheckGameInfo", content=body.encode())
        assert reply.status_code == 200
        assert received(upstream) == ("CheckGameInfo", {"openid": "a", "xinyue_codes": codes})


def test_a_form_is_read_however_its_chunks_are_split(gateway: Gateway, upstream: Upstream) -> None:
    pieces = iter([b"vipLevel=1&na", b"me=%E4%B8", b"%AD"])  # chunked, with an escape split in two
    gateway.client.post("/vipBiz", content=pieces, headers=FORM)
    assert received(upstream) == ("CreateRule", {"vip_level": 1, "name": "中"})
