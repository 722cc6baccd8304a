"""What the gateway tells a service about the tolerated spellings of a request."""

import pytest

from tests.gateway.families import FORM, SHOP
from tests.gateway.http2 import grpc_call
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream

HEADER = "x-levelgate-spellings"
LEVEL, STARS = "/upbot/api/CheckUserXYLevel", "/upbot/api/CheckStarState"
CONDITION = "/upbot/api/CheckEligibility"
LONG = "a" * 2_000  # so that the body is parsed, and not only looked at

# Method, path, options, and the words that the service gets.
REQUESTS = [
    ("POST", LEVEL, {"json": {"openid": "a", "levels": [1]}}, ""),
    ("POST", LEVEL, {"json": {"openid": "a", "level": [1]}}, "level"),
    ("POST", LEVEL, {"json": {"openid": "a", "level": 1, "levels": [2]}}, "level"),
    ("POST", LEVEL, {"json": {"openid": LONG, "level": [1]}}, "level"),
    ("POST", LEVEL, {"json": {"openid": "a", "levels": [1], "gid": 1}}, ""),
    ("POST", STARS, {"json": {"openid": "a", "gids": [1]}}, ""),
    ("POST", STARS, {"json": {"openid": "a", "gid": [1]}}, "gid"),
    ("POST", STARS, {"content": b""}, ""),
    ("POST", CONDITION, {"json": {"openid": "a", "condition": {"not": {}}}}, ""),
    ("POST", CONDITION, {"json": {"openid": "a", "condition": {"negated": {}}}}, "proto"),
    ("GET", "/userlevel/7", {}, ""),
    ("GET", "/userlevel/7?point=3", {}, ""),
    ("GET", "/userlevel/7?userId=7&point=3", {}, ""),
    ("GET", "/userlevel/7?useId=7&point=3", {}, "useId"),
    ("GET", "/userlevel/7?use_id=7", {}, "use_id"),
    ("GET", "/userlevel/7?user_id=7", {}, "user_id"),
    ("POST", "/userlevel/7", {"data": {"useId": "7", "vipLevel": "1"}}, "useId,form"),
    ("POST", "/userlevel/7?user_id=7", {"json": {"useId": "7"}}, "user_id,useId,json"),
    ("POST", "/vipBiz", {"data": {"vipLevel": "1"}}, "form"),
    ("POST", "/vipBiz", {"json": {"vipLevel": 1}}, "json"),
    ("POST", "/vipBiz", {"content": b'{"vipLevel":1}', "headers": FORM}, "json"),
    ("POST", "/vipBiz?vipLevel=1", {}, ""),
    ("POST", "/vipBiz", {"json": {"vip_level": 1, "up_point": 3}}, "json,proto"),
    ("POST", "/vipBiz/preview", {"json": {"rules": [{"down_point": 3}]}}, "json,proto"),
    ("GET", "/members/list?level=1", {}, ""),
    ("GET", SHOP, {}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("method", "url", "options", "words"), REQUESTS)
def test_the_service_learns_which_tolerated_spellings_were_used(
    gateway: Gateway,
    upstream: Upstream,
    method: str,
    url: str,
    options: dict[str, object],
    words: str,
) -> None:
    # Twice: what one request used is not told of the next one.
    for _ in range(2):
        gateway.client.request(method, url, **options)  # type: ignore[arg-type]
        gateway.client.post(LEVEL, json={"openid": "a", "levels": [1]})
    assert [call.metadata.get(HEADER, "") for call in upstream.calls] == [words, ""] * 2


def test_a_caller_cannot_say_it(gateway: Gateway, upstream: Upstream) -> None:
    said = {HEADER: "gid"}
    for url in ("/userlevel/7", SHOP):
        gateway.client.get(url, headers=said)
    gateway.client.post(STARS, json={"openid": "a"}, headers=said)
    rules = "/levelgate.member.v1.MemberLevel/ListRules"
    grpc_call(gateway.port, rules, [("te", "trailers"), (HEADER, "gid")])
    assert len(upstream.calls) == 4
    assert [call for call in upstream.calls if HEADER in call.metadata] == []
