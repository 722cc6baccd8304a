"""Loads the demo data, which are the examples of the API documents."""

import argparse
import sys
import time
from dataclasses import dataclass
from functools import partial

import redis
from pydantic import SecretStr

from levelgate import __version__
from operations.commands.examples import examples
from services.access.apps import AppExistsError, Apps
from services.access.scopes import all_scopes
from services.access.tokens import Tokens
from services.rules.ladder import Ladder, Rule
from services.rules.rule_book import Book, RuleBook
from services.rules.thresholds import LevelThresholds
from services.runtime.settings import load
from services.shop_level.shop import Goods, Profile, Shop, ShopLevel, ShopSet
from services.shop_level.shop_store import ShopStore
from services.store import keys, layout
from services.store.client import connect, why_unavailable
from services.store.keys import Buckets
from services.store.settings import StoreSettings
from services.store.store import Store
from services.user_facts.fact import ANDROID, GameFact, GameKey, Star
from services.user_facts.fact_store import FactStore
from services.user_state.record import SECONDS_PER_DAY
from services.user_state.state import UserState

APPID = "demo"
MEMBER = "joe"
JOE_DAYS = 2

# The /show example of docs/api/member-level.md; rule 5 is missing there.
RULES = (
    Rule(1, 0, "普通会员", 0, 500),
    Rule(2, 1, "黄铜会员", 500, 800),
    Rule(3, 2, "白银会员", 800, 1200),
    Rule(4, 3, "黄金会员", 1200, 2000),
    Rule(6, 5, "黑钻会员", 3000, 5000, picture="test"),
)
POINTS = {"3dfg4df": 1500, "5": 3200, "42": 0, MEMBER: 0}

# The example of docs/api/upbot-check-game-info.md: info 1 is a code, info 2 a number.
GAME_FACTS = {1: GameFact(code="1"), 2: GameFact(number=1200)}

# The example of docs/api/shop-member-level.md.
SHOP_SET = ShopSet(
    name="哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈",
    logo="images/6/2018/04/yCfnKfcWicKXATi5fKI0watW8K0tz0.jpg",
    cservice="https://eco-api.meiqia.com/dist/standalone.html?eid=9669",
    credit="哈哈币",
    credit1="积分",
)
SHOP_LEVELS = (
    ShopLevel(
        id=7,
        weight=3,
        level_name="第一",
        discount="1",
        freight_reduction="11",
        goods=Goods(id=100, title="测试商品", price="200.00"),
        rent_free="1",
        deposit_free="1",
    ),
    ShopLevel(
        id=8,
        weight=5,
        level_name="第二",
        goods=Goods(id=127, title="测试", price="1.00"),
        rent_free="1",
        deposit_free="1",
    ),
)
SHOPS = {
    "6": Shop("2", SHOP_SET, "撒打算打算", levels=SHOP_LEVELS),
    "7": Shop(
        "0",
        ShopSet(name="七号店"),
        levels=(
            ShopLevel(id=1, weight=1, level_name="铜", order_money="100.00"),
            ShopLevel(id=2, weight=3, level_name="金", discount="9"),
        ),
    ),
    "8": Shop(
        "1",
        ShopSet(name="八号店"),
        levels=(ShopLevel(id=1, weight=3, level_name="金", order_count="10"),),
    ),
}


@dataclass(frozen=True)
class Demo:
    """An app with all scopes, a token of it, and a member's session token."""

    appid: str
    app_secret: str
    token: str
    member_token: str


def prepare(redis_url: str) -> Demo:
    """Loads the demo data if the store is empty, and gives the demo app a new secret.

    The secret is new each time because the store has only the digest of the old one.
    Raises redis.RedisError, layout.LayoutMismatchError.
    """
    settings = StoreSettings(url=SecretStr(redis_url))
    store, buckets = connect(settings), Buckets()
    layout.claim(store, buckets)
    if is_empty(store):
        load_data(store, buckets)
    apps = Apps(store)
    try:
        secret = apps.create(APPID, all_scopes())
    except AppExistsError:
        secret = apps.rotate(APPID)
    tokens = Tokens(store)
    app = apps.authenticate(APPID, secret)
    pair = None if app is None else tokens.issue(app)
    member = None if app is None else tokens.issue_member(APPID, app.generation, MEMBER)
    if pair is None or member is None:
        raise RuntimeError(f"the app {APPID} was revoked while it was created")
    store.close()
    return Demo(APPID, secret, pair.access_token, member)


def is_empty(store: Store) -> bool:
    """Whether the store has no rules; without rules it cannot have users either."""
    return store.get(keys.RULES) is None


def load_data(store: Store, buckets: Buckets) -> None:
    """Writes the demo data and replaces what has the same names."""
    ladder = Ladder(RULES)
    RuleBook(store).change(lambda _book: Book(ladder, next_id=RULES[-1].id + 1), APPID)
    _load_users(UserState(store, buckets), RuleBook(store).book().thresholds)
    _load_facts(FactStore(store, buckets))
    _load_shops(ShopStore(store, buckets))


def _load_users(users: UserState, thresholds: LevelThresholds) -> None:
    for user, points in POINTS.items():
        users.delete(user, APPID)
        users.initialise(user, thresholds.levels[0], thresholds.version, APPID)
        users.set_points(user, points, thresholds, APPID)
    protected_until = int(time.time()) + JOE_DAYS * SECONDS_PER_DAY
    users.set_manually(MEMBER, 3, "demo", protected_until, APPID)


def _load_facts(facts: FactStore) -> None:
    facts.put_star("xxxxd3dd", Star(1279, ANDROID), lit=True)
    for info, fact in GAME_FACTS.items():
        facts.put_game_fact("aaa", GameKey("cfm", "1", "2", "0", "bbb", info), fact)


def _load_shops(shops: ShopStore) -> None:
    for shop_id in SHOPS:
        shops.change(shop_id, partial(_demo_shop, shop_id))
    shops.put_profile("6", MEMBER, Profile(nickname="Joe"))


def _demo_shop(shop_id: str, _old: Shop | None) -> Shop:
    return SHOPS[shop_id]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m operations.commands.demo", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--gateway", default="http://127.0.0.1:8080", help="address for the curl calls"
    )
    gateway = parser.parse_args().gateway
    try:
        demo = prepare(load(StoreSettings).url.get_secret_value())
    except layout.LayoutMismatchError as error:
        sys.exit(str(error))
    except redis.RedisError as error:
        sys.exit(f"no store: {why_unavailable(error)}; its address is in REDIS_URL")
    lines = [
        f"the demo data is loaded; app {demo.appid}, secret {demo.app_secret}",
        "",
        *examples(gateway, demo.token, demo.member_token),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
