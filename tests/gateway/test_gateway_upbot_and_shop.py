"""Which bodies and parameters of the upbot and the shop family are read."""

import pytest

from tests.gateway.families import JSON, SHOP, UPBOT
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream, received


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
