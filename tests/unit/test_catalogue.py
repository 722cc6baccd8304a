"""How a shop shows its conditions, and which level is the member's.

The page as a whole is in tests/contract/shop/get_member_levels.yaml.
"""

import json
from dataclasses import replace

import pytest
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from services.shop_level.catalogue import level_of, shown_levels
from services.shop_level.shop import Goods, Shop, ShopLevel

GOODS = Goods(id=100, title="测试商品", price="200.00")
SHOWN_GOODS = {"id": 100, "title": "测试商品", "thumb": "", "price": "200.00"}


def condition(shop: Shop, level: ShopLevel) -> tuple[str, object]:
    """The one key that tells how a member reaches the level, and its value."""
    (shown,) = shown_levels(replace(shop, levels=(level,)))
    name = shown.WhichOneof("upgrade")
    assert name is not None
    value = getattr(shown, name)
    # The gateway prints goods_other_shape as goods.
    return name.removesuffix("_other_shape"), (
        value if isinstance(value, str) else json.loads(as_text(value))
    )


def as_text(message: Message) -> str:
    return MessageToJson(message, always_print_fields_with_no_presence=True)


FULL = ShopLevel(1, 1, "", order_money="100.00", order_count="10", goods=GOODS)
BARE = ShopLevel(1, 1, "")
ARRAY = Shop("2", goods_as_array=True)


@pytest.mark.parametrize(
    ("shop", "level", "key", "value"),
    [
        (Shop("0"), FULL, "order_money", "100.00"),
        (Shop("0"), BARE, "order_money", ""),
        (Shop("1"), FULL, "order_count", "10"),
        (Shop("1"), BARE, "order_count", ""),
        (Shop("2"), FULL, "goods", SHOWN_GOODS),
        (Shop("2"), BARE, "goods", None),
        (ARRAY, FULL, "goods", [SHOWN_GOODS]),
        (ARRAY, BARE, "goods", []),
    ],
)
def test_only_the_key_that_level_type_selects_is_shown_and_may_be_empty(
    shop: Shop, level: ShopLevel, key: str, value: object
) -> None:
    assert condition(shop, level) == (key, value)


def test_the_members_level_is_the_one_whose_weight_is_the_shared_level() -> None:
    levels = [ShopLevel(7, 3, ""), ShopLevel(8, 5, "")]
    own = level_of(levels, 5)
    assert own is not None
    assert own.id == 8
    assert level_of(levels, 4) is None
