"""Member parameters may be given in the query, a form or JSON; `point` and the user of the path."""

import pytest

from tests.gateway.families import BAD, FORM, JSON, MEMBER, answered
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream, received

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


def test_a_form_is_read_however_its_chunks_are_split(gateway: Gateway, upstream: Upstream) -> None:
    pieces = iter([b"vipLevel=1&na", b"me=%E4%B8", b"%AD"])  # chunked, with an escape split in two
    gateway.client.post("/vipBiz", content=pieces, headers=FORM)
    assert received(upstream) == ("CreateRule", {"vip_level": 1, "name": "中"})
