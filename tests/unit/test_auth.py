"""One policy: what a method's scope says."""

from collections.abc import Sequence
from typing import cast

import grpc
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
    """Stands in for the store: a token is known or not."""

    def find(self, token: str) -> Grant | None:
        assert len(token) <= 512, "the store is asked for what no token can be"
        return GRANTS.get(token)


def policy(*open_families: str) -> Policy:
    return Policy(services(), cast(Tokens, KnownTokens()), frozenset(open_families))


def refusal(method: str, authorization: Sequence[str], *open_families: str) -> tuple[str, str]:
    with pytest.raises(Failure) as raised:
        policy(*open_families).admit(method, authorization)
    return raised.value.code.name, Reason.Name(raised.value.reason)


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        ([], None),
        ([""], None),
        (["   "], None),
        (["Bearer"], None),
        (["Bearer "], None),
        (["abc"], "abc"),
        (["Bearer abc"], "abc"),
        (["bearer abc"], "abc"),
        (["BEARER  abc "], "abc"),
        (["abc", "abc"], "abc"),
        (["abc", "Bearer abc"], "abc"),
        (["abc", "def"], "abc,def"),
        (["Basic abc"], "Basic abc"),
    ],
)
def test_the_token_is_raw_or_after_bearer(authorization: list[str], token: str | None) -> None:
    assert token_in(authorization) == token


def test_a_token_with_the_scope_is_admitted() -> None:
    assert policy().admit(CHECK, ["checks"]) == Caller(appid="app", generation="first")


@pytest.mark.parametrize("method", [CHECK, SHOW, LEVELS, PUT_SHOP])
def test_every_call_wants_a_token(method: str) -> None:
    assert refusal(method, []) == ("UNAUTHENTICATED", "REASON_TOKEN_MISSING")
    assert refusal(method, ["unknown"]) == ("UNAUTHENTICATED", "REASON_TOKEN_INVALID")
    assert refusal(method, ["x" * 100_000]) == ("UNAUTHENTICATED", "REASON_TOKEN_INVALID")


@pytest.mark.parametrize("method", [SHOW, LEVELS, PUT_SHOP])
def test_a_token_without_the_scope_is_refused(method: str) -> None:
    assert refusal(method, ["checks"]) == ("PERMISSION_DENIED", "REASON_SCOPE_MISSING")


def test_tokens_are_got_without_a_token() -> None:
    assert policy().admit(GET_TOKEN, []) == ANYBODY


def test_a_members_token_is_good_for_the_shop_only() -> None:
    assert policy().admit(LEVELS, ["joe"]).member == "joe"
    for method in (CHECK, SHOW, PUT_SHOP):
        assert refusal(method, ["joe"]) == ("PERMISSION_DENIED", "REASON_SCOPE_MISSING")


def test_an_open_family_admits_anybody_to_its_documented_calls() -> None:
    assert policy("member").admit(SHOW, []) == ANYBODY
    assert policy("member").admit(SHOW, ["checks"]) == Caller(appid="app", generation="first")
    assert policy("shop").admit(LEVELS, []) == ANYBODY


def test_an_open_family_opens_nothing_else() -> None:
    families = ("member", "shop")
    assert refusal(PUT_SHOP, [], *families) == ("UNAUTHENTICATED", "REASON_TOKEN_MISSING")
    assert refusal(CHECK, [], *families) == ("UNAUTHENTICATED", "REASON_TOKEN_MISSING")
    assert refusal(SHOW, [], "shop") == ("UNAUTHENTICATED", "REASON_TOKEN_MISSING")


def test_a_token_that_is_given_must_be_good_even_where_it_is_open() -> None:
    assert refusal(SHOW, ["unknown"], "member") == ("UNAUTHENTICATED", "REASON_TOKEN_INVALID")


def test_every_method_says_who_may_call_it() -> None:
    for service in services():
        for method in service.methods:
            path = f"/{service.full_name}/{method.name}"
            if path.rsplit("/", maxsplit=1)[-1] in {"GetAccessToken", "RefreshToken"}:
                continue
            assert refusal(path, []) == (
                grpc.StatusCode.UNAUTHENTICATED.name,
                "REASON_TOKEN_MISSING",
            )
            policy().admit(path, ["everything"])
