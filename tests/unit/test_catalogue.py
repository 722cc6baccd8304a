"""What the page of a shop shows; see docs/api/shop-member-level.md."""

import json
from dataclasses import replace

import pytest
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from levelgate.shop.v1.shop_level_pb2 import Level
from services.shop_level.catalogue import level_of, shown_levels, shown_member
from services.shop_level.shop import Goods, Profile, Shop, ShopLevel

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


def as_json(message: Message) -> dict[str, object]:
    loaded = json.loads(as_text(message))
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize(
    ("level_type", "key", "value"),
    [("0", "order_money", "100.00"), ("1", "order_count", "10"), ("2", "goods", SHOWN_GOODS)],
)
def test_only_the_key_that_level_type_selects_is_shown(
    level_type: str, key: str, value: object
) -> None:
    level = ShopLevel(1, 1, "", order_money="100.00", order_count="10", goods=GOODS)
    assert condition(Shop(level_type), level) == (key, value)


@pytest.mark.parametrize(
    ("level_type", "key", "value"),
    [("0", "order_money", ""), ("1", "order_count", ""), ("2", "goods", None)],
)
def test_an_empty_condition_is_shown_empty(level_type: str, key: str, value: object) -> None:
    assert condition(Shop(level_type), ShopLevel(1, 1, "")) == (key, value)


def test_a_shop_may_have_goods_as_an_array() -> None:
    shop = Shop("2", goods_as_array=True)
    level = ShopLevel(1, 1, "", goods=GOODS)
    assert condition(shop, level) == ("goods", [SHOWN_GOODS])
    assert condition(shop, ShopLevel(1, 1, "")) == ("goods", [])


def test_rent_free_and_deposit_free_are_strings_or_null() -> None:
    level = ShopLevel(1, 1, "", rent_free="1")
    (row,) = shown_levels(Shop("0", levels=(level,)))
    assert row.rent_free.string_value == "1"
    assert row.deposit_free.WhichOneof("kind") == "null_value"
    rights = as_json(shown_member(Shop("0"), level, Profile(), 0))["rights"]
    assert rights == {
        "discount": "",
        "freight_reduction": "",
        "rent_free": "1",
        "deposit_free": None,
    }


def test_levels_come_by_rising_weight() -> None:
    levels = (ShopLevel(1, 9, ""), ShopLevel(2, 4, ""))
    assert [level.id for level in shown_levels(Shop("0", levels=levels))] == [2, 1]


def test_the_members_level_is_the_one_whose_weight_is_the_shared_level() -> None:
    levels = [ShopLevel(7, 3, ""), ShopLevel(8, 5, "")]
    own = level_of(levels, 5)
    assert own is not None
    assert own.id == 8
    assert level_of(levels, 4) is None


@pytest.mark.parametrize(
    ("shop", "name"), [(Shop("0"), "普通会员"), (Shop("0", no_level_name="访客"), "访客")]
)
def test_without_a_level_there_are_no_rights(shop: Shop, name: str) -> None:
    member = as_json(shown_member(shop, None, Profile("Joe"), 0))
    assert member == {
        "level_id": 0,
        "level_name": name,
        "nickname": "Joe",
        "avatar": "",
        "validity": 0,
    }


def test_the_keys_are_in_the_order_of_the_document() -> None:
    names = [field.json_name for field in Level.DESCRIPTOR.fields]
    assert names[:4] == ["id", "level_name", "discount", "freight_reduction"]
    assert names[-2:] == ["rent_free", "deposit_free"]
