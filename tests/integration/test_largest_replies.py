"""The largest replies that the documented limits allow are delivered, as JSON and as gRPC."""

from collections.abc import Iterator
from itertools import count, product
from typing import Any, cast

import grpc
import httpx
import pytest

from levelgate.access.v1 import reason_pb2
from levelgate.member.v1 import member_level_pb2 as member
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from levelgate.shop.v1 import shop_admin_pb2 as shop
from levelgate.shop.v1.shop_admin_pb2_grpc import ShopAdminStub
from levelgate.shop.v1.shop_level_pb2 import Goods
from levelgate.upbot.v1 import eligibility_pb2 as upbot
from levelgate.upbot.v1 import user_facts_pb2 as facts
from levelgate.upbot.v1.eligibility_pb2_grpc import EligibilityStub
from levelgate.upbot.v1.user_facts_pb2_grpc import UserFactsStub
from services.access.apps import Apps
from services.access.scopes import all_scopes
from services.rules.ladder import Ladder, Rule
from services.rules.rule_book import RuleBook
from services.shop_level.messages import read_level
from services.shop_level.shop import MAX_LEVEL_TEXT, MAX_LEVELS, LevelsFullError, Shop, ShopSet
from services.shop_level.shop_store import ShopStore
from services.store.keys import Buckets
from services.user_facts.fact import GameFact, GameKey
from services.user_facts.fact_store import MOST_FACTS, FactStore
from services.user_state.bulk import BulkUsers
from services.user_state.rows import Row
from tests.support.running import RunningStack

# A character of one byte that takes six in JSON, and two of four bytes: printable and unprintable.
LONGEST = ("<", "🎮", "\U000e0041")


@pytest.fixture(autouse=True)
def client(stack: RunningStack) -> Iterator[httpx.Client]:
    stack.reset()
    headers = {"Authorization": stack.token}
    with httpx.Client(base_url=stack.gateway, headers=headers, timeout=20) as client:
        yield client
    stack.reset()


def call(stack: RunningStack, stub: Any, name: str, address: str, request: Any) -> Any:
    """Calls with the default limits of a grpcio client."""
    with grpc.insecure_channel(address) as channel:
        metadata = (("authorization", stack.token),)
        return getattr(stub(channel), name)(request, timeout=20, metadata=metadata)


def through_gateway(stack: RunningStack) -> str:
    return stack.gateway.removeprefix("http://")


def refused(stack: RunningStack, stub: Any, name: str, address: str, request: Any) -> str:
    with pytest.raises(grpc.RpcError) as raised:
        call(stack, stub, name, address, request)
    trailing = dict(cast(Any, raised.value).trailing_metadata())
    assert (
        reason_pb2.Reason.Name(reason_pb2.REASON_LIMIT_REACHED)[7:].encode()
        in trailing["grpc-status-details-bin"]
    )
    return str(cast(Any, raised.value).code().name)


@pytest.mark.parametrize("character", LONGEST)
@pytest.mark.parametrize("wide", [True, False], ids=["few large levels", "many small levels"])
def test_the_largest_reply_of_a_shop_is_delivered(
    stack: RunningStack, client: httpx.Client, character: str, *, wide: bool
) -> None:
    short, long = character * 128, character * 2_048
    urls = dict.fromkeys(("logo", "signimg", "cservice", "diycode", "copyright"), long)
    large = Shop(
        "2",
        ShopSet(name=short, credit=short, credit1=short, **urls),
        character * 10_000,
        short,
        goods_as_array=True,
    )
    least = 0 if wide else MAX_LEVEL_TEXT // MAX_LEVELS
    levels = 0
    for number in count(1):
        goods = Goods(id=number, title=short, thumb=long, price=short)
        level = shop.ShopLevelSettings(id=number, weight=number, level_name=short, goods=goods)
        if not wide:
            fitting = (least - 40) // len(character.encode())
            level = shop.ShopLevelSettings(id=number, weight=number)
            level.level_name = character * min(128, fitting // 2)
            level.discount = level.rent_free = character * min(128, fitting // 4)
        try:
            large = large.with_level(read_level(level))
        except LevelsFullError:
            break
        levels = number
    assert levels == MAX_LEVELS or wide
    ShopStore(stack.store, Buckets()).change("large", lambda _: large)
    path = {"route": "member.member-level.index", "i": "large", "uid": "5"}
    reply = client.get("/", params=path)
    assert (reply.status_code, len(reply.json()["data"]["data"])) == (200, levels)
    address = stack.grpc["shop_level"]
    request = shop.PutLevelRequest(shop_id="large", level=level)
    assert refused(stack, ShopAdminStub, "PutLevel", address, request) == "FAILED_PRECONDITION"
    # When a level is deleted, another one can be added.
    deletion = shop.DeleteLevelRequest(shop_id="large", level_id=1)
    call(stack, ShopAdminStub, "DeleteLevel", address, deletion)
    level = shop.ShopLevelSettings(id=number, weight=number, level_name="x")
    request = shop.PutLevelRequest(shop_id="large", level=level)
    call(stack, ShopAdminStub, "PutLevel", address, request)


@pytest.mark.parametrize("character", LONGEST)
def test_the_largest_rules_are_delivered(
    stack: RunningStack, client: httpx.Client, character: str
) -> None:
    name, picture = character * 128, character * 2_048
    rules = [Rule(n, n, name, 2 * n, 2 * n + 1, picture) for n in range(1, 100)]
    book = RuleBook(stack.store)
    book.change(lambda found: type(found)(Ladder(rules), next_id=200))
    address = through_gateway(stack)

    def create(level: int) -> Any:
        request = member.CreateRuleRequest(
            vip_level=level, name=name, down_point=2 * level, up_point=2 * level + 1
        )
        request.pic_url = picture
        return request

    call(stack, MemberLevelStub, "CreateRule", address, create(100))
    code = refused(stack, MemberLevelStub, "CreateRule", address, create(101))
    assert code == "FAILED_PRECONDITION"
    answer = client.post(
        "/vipBiz", json={"vipLevel": 101, "name": "x", "downPoint": 998, "upPoint": 999}
    )
    assert answer.json() == {"code": "error", "msg": "等级规则数量已达上限", "data": None}
    assert len(client.get("/show").json()["data"]) == 100
    assert len(client.get("/vipBiz/version").json()["data"]["rules"]) == 100
    request = member.ListRulesRequest()
    assert len(call(stack, MemberLevelStub, "ListRules", address, request).data) == 100


def test_the_number_of_levels_that_ever_had_a_rule_is_limited(
    stack: RunningStack, client: httpx.Client
) -> None:
    book = RuleBook(stack.store)
    before = len(book.book().levels | {7, 8})
    former = [Rule(n, n, "x", n, n + 1) for n in (7, 8, *range(1_001, 1_200 - before))]
    book.change(lambda found: type(found)(Ladder(former), next_id=900))
    book.change(lambda found: type(found)(Ladder(()), next_id=900))
    assert len(book.book().levels) == 199
    too_many = {"code": "error", "msg": "等级数量已达上限", "data": None}

    def create(level: int, down_point: int) -> Any:
        rule = {"vipLevel": level, "name": "x", "downPoint": down_point, "upPoint": down_point + 1}
        return client.post("/vipBiz", json=rule).json()

    assert create(2_000, 100)["data"] == "saveSuccess"
    assert create(2_001, 200) == too_many
    assert create(7, 0)["data"] == "saveSuccess"
    change = {"id": 900, "vipLevel": 2_001, "name": "x", "downPoint": 100, "upPoint": 101}
    assert client.post("/vipBiz/update", json=change).json() == too_many
    change["vipLevel"] = 8
    assert client.post("/vipBiz/update", json=change).json()["data"] == "success"


@pytest.mark.parametrize("character", LONGEST[:2])
def test_the_largest_explained_batch_is_delivered(
    stack: RunningStack, client: httpx.Client, character: str
) -> None:
    text = character * 128
    info: dict[str, Any] = {
        "game_code": text,
        "area_id": text,
        "plat_id": text,
        "xinyue_codes": [text] * 3,
    }
    parts = [{"game_info": {**info, "game_check_info_id": n}} for n in range(5)]
    users = [f"u{n}" for n in range(1_000)]
    request = {"condition": {"all": {"conditions": parts}}, "explain": True}
    path = "/upbot/api/BatchCheckEligibility"
    refusal = client.post(path, json={**request, "openids": users})
    assert refusal.json()["ret"] == 1001
    message = upbot.EligibilityBatchCheckRequest(openids=users, explain=True)
    for part in parts:
        message.condition.all.conditions.add(game_info=upbot.GameInfoIs(**part["game_info"]))
    with pytest.raises(grpc.RpcError, match="openids: must have at most") as raised:
        call(stack, EligibilityStub, "BatchCheck", through_gateway(stack), message)
    accepted = int(str(cast(Any, raised.value).details()).split("at most ")[1].split(" ")[0])
    facts_of = FactStore(stack.store, Buckets())
    for user, n in product(users[:accepted], range(5)):
        key = GameKey(text, text, text, "0", "", n)
        facts_of.put_game_fact(user, key, GameFact("💎" * 128, -(2**63)))
    reply = client.post(path, json={**request, "openids": users[:accepted]})
    assert (reply.status_code, reply.json()["ret"]) == (200, 0)
    assert len(reply.json()["data"]["results"]) == accepted
    del message.openids[accepted:]
    answer = call(stack, EligibilityStub, "BatchCheck", through_gateway(stack), message)
    assert len(answer.data.results) == accepted
    assert 1_500_000 < answer.ByteSize() < 2_000_000


def test_the_most_values_of_a_batch_are_read_in_time(client: httpx.Client) -> None:
    request = {
        "openids": [f"{n:0128}"[:100] + str(n) for n in range(995)],
        "condition": {"not": {"star": {"gids": list(range(100))}}},
        "detail": True,
    }
    reply = client.post("/upbot/api/BatchCheckEligibility", json=request)
    assert (reply.status_code, reply.json()["ret"]) == (200, 0)
    assert len(reply.json()["data"]["openids"]) == 995


def test_the_most_and_largest_openids_are_delivered(client: httpx.Client) -> None:
    openids = ["<" * 95 + f"{n:05}" for n in range(10_000)]
    condition = {"not": {"level_at_least": 0}}
    request = {"openids": openids, "condition": condition, "detail": True}
    reply = client.post("/upbot/api/BatchCheckEligibility", json=request)
    assert (reply.status_code, reply.json()["data"]["openids"]) == (200, openids)


def test_the_most_facts_of_a_user_are_delivered_and_no_more_are_accepted(
    stack: RunningStack,
) -> None:
    text = "🎮" * 128
    keys = [GameKey(text, text, text, text, text, -n) for n in range(1, MOST_FACTS + 1)]
    facts_of = FactStore(stack.store, Buckets())
    for key in keys:
        facts_of.put_game_fact("u", key, GameFact(text, -(2**63)))
    address = stack.grpc["upbot_checks"]
    request = facts.GetUserFactsRequest(openid="u")
    reply = call(stack, UserFactsStub, "GetUserFacts", address, request)
    assert len(reply.game_infos) == MOST_FACTS
    star = facts.StarState(gid=1, device=1, lit=True)
    put = facts.PutStarStateRequest(openid="u", star=star)
    assert refused(stack, UserFactsStub, "PutStarState", address, put) == "FAILED_PRECONDITION"
    imported = [facts.ImportFactsRequest(openid="u", star=star)] * 2
    result = call(stack, UserFactsStub, "ImportFacts", address, iter(imported))
    assert (result.written, [each.field for each in result.rejects]) == (0, ["star", "star"])
    # Existing facts may still change.
    facts_of.put_game_fact("u", keys[0], GameFact("new", None))
    assert facts_of.game_fact("u", keys[0]) == GameFact("new", None)


@pytest.mark.parametrize("character", LONGEST[:2])
def test_the_largest_page_of_members_is_delivered(
    stack: RunningStack, client: httpx.Client, character: str
) -> None:
    users = sorted(character * 124 + f"{number:04}" for number in range(1_000))
    thresholds = RuleBook(stack.store).book().thresholds
    bulk = BulkUsers(stack.store, Buckets())
    bulk.write([Row(user, 2**31 - 1) for user in users], thresholds)
    request: dict[str, Any] = {"level": 5, "minPoints": 2**31 - 1, "pageSize": 1_000}
    reply = client.get("/members/list", params=request)
    assert reply.status_code == 200
    assert [each["userId"] for each in reply.json()["data"]["members"]] == users
    reply = client.get("/members/search", params={"prefix": character * 124, "pageSize": 100})
    assert (reply.status_code, len(reply.json()["data"]["members"])) == (200, 100)


@pytest.mark.parametrize("character", LONGEST)
def test_the_largest_summary_of_a_member_is_delivered(
    stack: RunningStack, client: httpx.Client, character: str
) -> None:
    text = character * 128
    rules = [Rule(n, n, text, 2 * n, 2 * n + 1, character * 2_048) for n in range(101, 200)]
    book = RuleBook(stack.store)
    book.change(lambda found: type(found)(Ladder([*found.ladder.rules[:1], *rules]), next_id=200))
    facts_of = FactStore(stack.store, Buckets())
    for number in range(300):
        key = GameKey(text, text, text, text, text, -number)
        facts_of.put_game_fact("42", key, GameFact(text, -(2**63)))
    reply = client.get("/userlevel/summary/42")
    assert reply.status_code == 200
    summary = reply.json()["data"]
    assert (len(summary["facts"]["gameInfos"]), summary["facts"]["total"]) == (100, 300)
    assert [each["level"] for each in summary["higherLevels"]] == list(range(101, 200))


@pytest.mark.parametrize("character", LONGEST[:2])
def test_the_largest_list_of_apps_is_delivered(
    stack: RunningStack, client: httpx.Client, character: str
) -> None:
    apps = Apps(stack.store)
    for number in range(1_000):
        apps.create(character * 124 + f"{number:04}", all_scopes())
    reply = client.post("/upbot/api/ListApps", json={"page_size": 1_000})
    assert (reply.status_code, len(reply.json()["data"]["apps"])) == (200, 1_000)
    assert reply.json()["data"]["has_more"]
