"""Shops in the store: levels with one weight each, whoever writes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from levelgate.shop.v1.shop_admin_pb2 import Shop, ShopLevelSettings
from services.shop_level.shops import Member, ShopNotSetError, Shops, WeightTakenError
from services.store.store import Store
from tests.support.levels import BUCKETS


@pytest.fixture
def shops(store: Store) -> Shops:
    return Shops(store, BUCKETS)


def level(number: int, weight: int, name: str = "级") -> ShopLevelSettings:
    return ShopLevelSettings(id=number, weight=weight, level_name=name)


def test_a_shop_without_settings_is_none(shops: Shops) -> None:
    assert shops.get("6") is None
    with pytest.raises(ShopNotSetError):
        shops.put_level("6", level(1, 1))


def test_what_was_put_comes_back(shops: Shops) -> None:
    shop = Shop(shop_description="撒打算打算", level_type="2")
    shops.put("6", shop)
    shops.put_level("6", level(7, 3))
    assert shops.get("6") == (shop, [level(7, 3)])


# Field 1 of ShopSet and of Goods, as a number of four bytes: not the wire type of the contract.
WRONG_WIRE_TYPE = b"\x0d\1\1\1\1"


def test_fields_that_the_contract_does_not_define_do_not_come_back(shops: Shops) -> None:
    shop = Shop(shop_description="撒打算打算", level_type="2")
    sent = Shop.FromString(shop.SerializeToString())
    sent.shop_set.MergeFromString(WRONG_WIRE_TYPE)
    settings = level(7, 3)
    settings.goods.MergeFromString(WRONG_WIRE_TYPE)
    shops.put("6", sent)
    shops.put_level("6", settings)
    found = shops.get("6")
    assert found is not None
    assert found[0].shop_set.SerializeToString() == b""
    assert found[1][0].goods.SerializeToString() == b""


def test_a_level_replaces_the_one_with_its_id(shops: Shops) -> None:
    shops.put("6", Shop(level_type="0"))
    shops.put_level("6", level(7, 3))
    shops.put_level("6", level(7, 4, "新"))
    assert shops.get("6") == (Shop(level_type="0"), [level(7, 4, "新")])
    assert shops.delete_level("6", 7) is True
    assert shops.delete_level("6", 7) is False


def test_a_weight_belongs_to_one_level(shops: Shops) -> None:
    shops.put("6", Shop(level_type="0"))
    shops.put_level("6", level(7, 3))
    with pytest.raises(WeightTakenError):
        shops.put_level("6", level(8, 3))
    shops.put("7", Shop(level_type="0"))
    shops.put_level("7", level(8, 3))


def test_two_writers_never_give_one_weight_twice(shops: Shops) -> None:
    shops.put("6", Shop(level_type="0"))

    def put(number: int) -> bool:
        try:
            shops.put_level("6", level(number, 3))
        except WeightTakenError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(put, range(1, 41))) == 1


def test_a_member_is_known_to_one_shop(shops: Shops) -> None:
    shops.put_member("6", "joe", Member("Joe", "a.png"))
    assert shops.member("6", "joe") == Member("Joe", "a.png")
    assert shops.member("7", "joe") == Member()
    assert shops.member("6", "ann") == Member()
