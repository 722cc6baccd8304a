"""The RPCs for operators and internal jobs, on the services' own ports."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from levelgate.shop.v1 import shop_admin_pb2 as shop
from levelgate.shop.v1.shop_admin_pb2_grpc import ShopAdminStub
from levelgate.upbot.v1 import user_facts_pb2 as facts
from levelgate.upbot.v1.user_facts_pb2_grpc import UserFactsStub
from tests.support.running import RunningStack

LIT = facts.StarState(gid=7, device=2, lit=True)
INFO = facts.GameInfo(
    game_code="cfm",
    area_id="1",
    plat_id="2",
    partition_id="0",
    role_name="r",
    game_check_info_id=1,
    code="a",
)


# Makes a call of a service by the name of its RPC.
Call = Callable[[str, Any], Any]


@contextmanager
def calls_of(stub: Any, target: str, token: str) -> Iterator[Call]:
    with grpc.insecure_channel(target) as channel:
        made, metadata = stub(channel), (("authorization", token),)
        yield lambda rpc, request: getattr(made, rpc)(request, metadata=metadata, timeout=10)


@pytest.fixture
def user_facts(stack: RunningStack) -> Iterator[Call]:
    stack.reset()
    with calls_of(UserFactsStub, stack.grpc["upbot_checks"], stack.token) as call:
        yield call


@pytest.fixture
def shop_admin(stack: RunningStack) -> Iterator[Call]:
    stack.reset()
    with calls_of(ShopAdminStub, stack.grpc["shop_level"], stack.token) as call:
        yield call


def test_an_import_skips_invalid_facts_and_writes_the_others(user_facts: Call) -> None:
    stream = [
        facts.ImportFactsRequest(openid="u", star=LIT),
        facts.ImportFactsRequest(openid="u", star=facts.StarState(gid=7, device=9)),
        facts.ImportFactsRequest(openid="u"),
        facts.ImportFactsRequest(openid="u", game_info=INFO),
    ]
    reply = user_facts("ImportFacts", iter(stream))
    assert (reply.written, reply.rejected) == (2, 2)
    assert [(each.position, each.field) for each in reply.rejects] == [
        (2, "star.device"),
        (3, "star"),
    ]
    known = user_facts("GetUserFacts", facts.GetUserFactsRequest(openid="u"))
    assert list(known.stars) == [LIT]
    assert list(known.game_infos) == [INFO]


def test_deleting_facts_is_idempotent(user_facts: Call) -> None:
    user_facts("PutStarState", facts.PutStarStateRequest(openid="u", star=LIT))
    for _ in range(2):
        user_facts("DeleteUserFacts", facts.DeleteUserFactsRequest(openid="u"))
    known = user_facts("GetUserFacts", facts.GetUserFactsRequest(openid="u"))
    assert known == facts.GetUserFactsResponse()


def test_an_import_without_a_token_writes_nothing(stack: RunningStack, user_facts: Call) -> None:
    with (
        calls_of(UserFactsStub, stack.grpc["upbot_checks"], "") as call,
        pytest.raises(grpc.RpcError) as raised,
    ):
        call("ImportFacts", iter([facts.ImportFactsRequest(openid="u", star=LIT)]))
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    known = user_facts("GetUserFacts", facts.GetUserFactsRequest(openid="u"))
    assert known == facts.GetUserFactsResponse()


def test_a_shop_is_read_as_it_was_written(shop_admin: Call) -> None:
    settings = shop.Shop(level_type="1", no_level_name="访客")
    shop_admin("PutShop", shop.PutShopRequest(shop_id="9", shop=settings))
    levels = [
        shop.ShopLevelSettings(id=number, weight=weight, level_name="级")
        for number, weight in ((1, 5), (2, 3))
    ]
    for level in levels:
        shop_admin("PutLevel", shop.PutLevelRequest(shop_id="9", level=level))
    reply = shop_admin("GetShop", shop.GetShopRequest(shop_id="9"))
    assert reply.shop == settings
    assert list(reply.levels) == [levels[1], levels[0]]


@pytest.mark.parametrize(
    ("level", "code"),
    [
        (shop.ShopLevelSettings(id=9, weight=3, level_name="x"), grpc.StatusCode.ALREADY_EXISTS),
        (shop.ShopLevelSettings(id=0, weight=3, level_name="x"), grpc.StatusCode.INVALID_ARGUMENT),
        (shop.ShopLevelSettings(id=9, weight=-1, level_name="x"), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_an_invalid_level_is_refused(
    shop_admin: Call, level: shop.ShopLevelSettings, code: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        shop_admin("PutLevel", shop.PutLevelRequest(shop_id="6", level=level))
    assert raised.value.code() is code
