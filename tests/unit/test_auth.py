"""Who may call which method: the scope of the method decides."""

from collections.abc import Sequence
from typing import cast

import pytest

from levelgate.access.v1.reason_pb2 import Reason
from services.access.scopes import all_scopes, services
from services.access.tokens import Grant, Tokens
from services.runtime.auth import Policy, token_in
from services.runtime.call import ANYBODY, Caller
from services.runtime.errors import Failure

CHECK = "/levelgate.upbot.v1.UpbotChecks/CheckUserXYLevel"
SHOW = "/levelgate.member.v1.MemberLevel/ShowUser"
LEVELS = "/levelgate.shop.v1.ShopLevel/GetMemberLevels"
PUT_SHOP = "/levelgate.shop.v1.ShopAdmin/PutShop"
GET_TOKEN = "/levelgate.access.v1.AccessTokens/GetAccessToken"

GRANTS = {
    "checks": Grant("app", frozenset({"upbot:check"}), None, "first"),
    "everything": Grant("app", frozenset(all_scopes()), None),
    "joe": Grant("app", frozenset(), "joe"),
}


class KnownTokens:
    """Stands in for the tokens in the store."""

    def find(self, token: str) -> Grant | None:
        assert len(token) <= 512, "the store is asked for a token that is too long"
        return GRANTS.get(token)


def policy(*open_families: str) -> Policy:
    return Policy(services(), cast(Tokens, KnownTokens()), frozenset(open_families))


def refusal(method: str, authorization: Sequence[str], *open_families: str) -> tuple[str, str]:
    with pytest.raises(Failure) as raised:
        policy(*open_families).admit(method, authorization)
    return raised.value.code.name, Reason.Name(raised.value.reason)


def test_a_token_is_sent_with_or_without_bearer() -> None:
    for sent in (["abc"], ["Bearer abc"], ["bearer abc"], ["BEARER  abc "]):
        assert token_in(sent) == "abc", sent
    for sent in ([], [""], ["   "], ["Bearer"], ["Bearer "]):
        assert token_in(sent) is None, sent
    assert token_in(["Basic abc"]) == "Basic abc"


def test_repeated_headers_must_agree() -> None:
    for sent in (["abc", "abc"], ["abc", "Bearer abc"]):
        assert token_in(sent) == "abc", sent
    assert token_in(["abc", "def"]) == "abc,def"


def test_a_token_with_the_scope_is_admitted() -> None:
    assert policy().admit(CHECK, ["checks"]) == Caller(appid="app", generation="first")


def test_a_token_without_the_scope_is_refused() -> None:
    for method in (SHOW, LEVELS, PUT_SHOP):
        assert refusal(method, ["checks"]) == ("PERMISSION_DENIED", "REASON_SCOPE_MISSING")


def test_a_first_token_is_issued_without_a_token() -> None:
    assert policy().admit(GET_TOKEN, []) == ANYBODY


def test_the_token_of_a_member_admits_to_the_shop_only() -> None:
    assert policy().admit(LEVELS, ["joe"]).member == "joe"
    for method in (CHECK, SHOW, PUT_SHOP):
        assert refusal(method, ["joe"]) == ("PERMISSION_DENIED", "REASON_SCOPE_MISSING")


def test_the_documented_calls_of_an_open_family_need_no_token() -> None:
    assert policy("member").admit(SHOW, []) == ANYBODY
    assert policy("member").admit(SHOW, ["checks"]) == Caller(appid="app", generation="first")
    assert policy("shop").admit(LEVELS, []) == ANYBODY


def test_all_other_calls_need_a_token_although_a_family_is_open() -> None:
    families = ("member", "shop")
    assert refusal(PUT_SHOP, [], *families) == ("UNAUTHENTICATED", "REASON_TOKEN_MISSING")
    assert refusal(CHECK, [], *families) == ("UNAUTHENTICATED", "REASON_TOKEN_MISSING")
    assert refusal(SHOW, [], "shop") == ("UNAUTHENTICATED", "REASON_TOKEN_MISSING")


def test_a_token_that_is_sent_must_be_valid_although_the_family_is_open() -> None:
    assert refusal(SHOW, ["unknown"], "member") == ("UNAUTHENTICATED", "REASON_TOKEN_INVALID")


def test_every_method_requires_a_token_with_a_scope() -> None:
    for service in services():
        for method in service.methods:
            path = f"/{service.full_name}/{method.name}"
            if method.name in {"GetAccessToken", "RefreshToken"}:
                continue
            assert refusal(path, []) == ("UNAUTHENTICATED", "REASON_TOKEN_MISSING")
            for invalid in ("unknown", "x" * 100_000):
                assert refusal(path, [invalid]) == ("UNAUTHENTICATED", "REASON_TOKEN_INVALID")
            policy().admit(path, ["everything"])
