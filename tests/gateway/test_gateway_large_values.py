"""Values and lists up to the limits of the contracts pass unchanged; larger ones are refused."""

import json

import pytest

from tests.gateway.families import BAD, FORM, JSON, MEMBER, SHOP, SHOP_PAGE, UPBOT, answered
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream, received

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


def test_a_thousand_codes_of_128_characters_pass(gateway: Gateway, upstream: Upstream) -> None:
    codes = [f"{number:04}" + "星" * 124 for number in range(1000)]
    for ensure_ascii in (False, True):
        upstream.reset()
        body = json.dumps({"openid": "a", "xinyue_codes": codes}, ensure_ascii=ensure_ascii)
        reply = gateway.client.post("/upbot/api/CheckGameInfo", content=body.encode())
        assert reply.status_code == 200
        assert received(upstream) == ("CheckGameInfo", {"openid": "a", "xinyue_codes": codes})
