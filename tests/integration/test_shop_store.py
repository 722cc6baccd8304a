"""Shops in the store: what is written can be read, also by and from other releases."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import cast

import grpc
import pytest

from levelgate.access.v1.reason_pb2 import (
    REASON_INTERNAL,
    REASON_SHOP_LEVEL_NOT_FOUND,
    REASON_SHOP_NOT_SET,
)
from levelgate.shop.v1 import shop_admin_pb2 as pb
from levelgate.shop.v1.shop_level_pb2 import Goods as GoodsMessage
from levelgate.shop.v1.shop_level_pb2 import ShopSet as ShopSetMessage
from services.runtime.errors import Failure, as_failure
from services.shop_level.admin_servicer import ShopAdmin
from services.shop_level.documents import UnknownFormatError
from services.shop_level.shop import Goods, Profile, Shop, ShopLevel, ShopSet, WeightTakenError
from services.shop_level.shop_store import DamagedDataError, ShopStore
from services.store import keys
from services.store.store import Store
from tests.support.levels import BUCKETS

CONTEXT = cast("grpc.ServicerContext", None)  # the servicer does not use it


@pytest.fixture
def shops(store: Store) -> ShopStore:
    return ShopStore(store, BUCKETS)


@pytest.fixture
def admin(shops: ShopStore) -> ShopAdmin:
    return ShopAdmin(shops)


def level(number: int, weight: int, name: str = "级") -> ShopLevel:
    return ShopLevel(number, weight, name)


FULL = Shop(
    "2",
    ShopSet("name", "logo", "signimg", "cservice", "diycode", "copyright", "credit", "credit1"),
    "撒打算打算",
    "访客",
    goods_as_array=True,
    levels=(
        ShopLevel(7, 3, "一", "1", "2", "3", "4", Goods(-1, "title", "thumb", "price"), "", "x"),
        ShopLevel(8, 4, "二"),
    ),
)


def put(shops: ShopStore, shop: Shop) -> None:
    shops.change("6", lambda _: shop)


def put_level(shops: ShopStore, shop_id: str, added: ShopLevel) -> None:
    def add(shop: Shop | None) -> Shop:
        assert shop is not None
        return shop.with_level(added)

    shops.change(shop_id, add)


def test_a_shop_without_settings_has_no_levels(shops: ShopStore, admin: ShopAdmin) -> None:
    assert shops.get("6") is None
    request = pb.PutLevelRequest(shop_id="6", level=pb.ShopLevelSettings(id=1, level_name="x"))
    with pytest.raises(Failure) as raised:
        admin.PutLevel(request, CONTEXT)
    assert raised.value.reason == REASON_SHOP_NOT_SET


@pytest.mark.parametrize("shop", [FULL, Shop("0")])
def test_a_shop_is_read_as_it_was_written(shops: ShopStore, shop: Shop) -> None:
    put(shops, shop)
    assert shops.get("6") == shop


def test_the_stored_document_has_every_field(shops: ShopStore, store: Store) -> None:
    put(shops, FULL)
    document = json.dumps({"format": 1, **asdict(FULL)}, ensure_ascii=False, separators=(",", ":"))
    assert store.get(keys.shop("6")) == document.encode()


# Field 1 of ShopSet and of Goods, as a number of four bytes: not the wire type of the contract.
WRONG_WIRE_TYPE = b"\x0d\1\1\1\1"


def test_fields_that_the_contract_does_not_define_do_not_come_back(admin: ShopAdmin) -> None:
    shop = pb.Shop(shop_description="撒打算打算", level_type="2")
    shop.shop_set.MergeFromString(WRONG_WIRE_TYPE)
    settings = pb.ShopLevelSettings(id=7, weight=3, level_name="级")
    settings.goods.MergeFromString(WRONG_WIRE_TYPE)
    admin.PutShop(pb.PutShopRequest(shop_id="6", shop=shop), CONTEXT)
    admin.PutLevel(pb.PutLevelRequest(shop_id="6", level=settings), CONTEXT)
    found = admin.GetShop(pb.GetShopRequest(shop_id="6"), CONTEXT)
    assert found.shop.shop_set.SerializeToString() == b""
    assert found.levels[0].goods.SerializeToString() == b""
    assert found.levels[0].HasField("goods")


def test_a_level_replaces_the_one_with_its_id_and_can_be_deleted(
    shops: ShopStore, admin: ShopAdmin
) -> None:
    put(shops, Shop("0"))
    put_level(shops, "6", level(7, 3))
    put_level(shops, "6", level(7, 4, "新"))
    assert shops.get("6") == Shop("0", levels=(level(7, 4, "新"),))
    request = pb.DeleteLevelRequest(shop_id="6", level_id=7)
    admin.DeleteLevel(request, CONTEXT)
    assert shops.get("6") == Shop("0")
    with pytest.raises(Failure) as raised:
        admin.DeleteLevel(request, CONTEXT)
    assert raised.value.reason == REASON_SHOP_LEVEL_NOT_FOUND


def test_new_settings_leave_the_levels(shops: ShopStore, admin: ShopAdmin) -> None:
    put(shops, Shop("0", levels=(level(7, 3),)))
    request = pb.PutShopRequest(shop_id="6", shop=pb.Shop(level_type="1"))
    admin.PutShop(request, CONTEXT)
    assert shops.get("6") == Shop("1", levels=(level(7, 3),))


def test_a_weight_belongs_to_one_level_of_a_shop(shops: ShopStore) -> None:
    put(shops, Shop("0", levels=(level(7, 3),)))
    with pytest.raises(WeightTakenError):
        put_level(shops, "6", level(8, 3))
    shops.change("7", lambda _: Shop("0"))
    put_level(shops, "7", level(8, 3))


def test_two_writers_never_use_one_weight_twice(shops: ShopStore) -> None:
    put(shops, Shop("0"))

    def try_to_put(number: int) -> bool:
        try:
            put_level(shops, "6", level(number, 3))
        except WeightTakenError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(try_to_put, range(1, 41))) == 1


def test_a_profile_belongs_to_one_member_in_one_shop(shops: ShopStore) -> None:
    shops.put_profile("6", "joe", Profile("Joe", "a.png"))
    assert shops.profile("6", "joe") == Profile("Joe", "a.png")
    assert shops.profile("7", "joe") == Profile()
    assert shops.profile("6", "ann") == Profile()


def store_as_earlier(store: Store) -> None:
    """Writes a shop and a profile as earlier releases did."""
    shop_set = ShopSetMessage(**vars(FULL.shop_set))
    settings = pb.Shop(
        shop_set=shop_set,
        shop_description=FULL.shop_description,
        level_type="2",
        no_level_name="访客",
        goods_as_array=True,
    )
    store.set(keys.earlier_shop_settings("6"), settings.SerializeToString())
    for each in FULL.levels:
        goods = None if each.goods is None else GoodsMessage(**vars(each.goods))
        message = pb.ShopLevelSettings(**{**vars(each), "goods": goods})
        key = keys.earlier_shop_levels("6")
        store.hset(key, str(each.id), message.SerializeToString())
    member = pb.PutMemberRequest(nickname="Joe", avatar="a.png")
    key = BUCKETS.of("joe").earlier_shop_profile("6", "joe")
    store.set(key, member.SerializeToString())


def test_what_earlier_releases_stored_is_read_and_stays_as_it_is(
    shops: ShopStore, store: Store
) -> None:
    store_as_earlier(store)
    before = {key: store.get(key.decode()) for key in store.scan_iter() if b"settings" in key}
    found = shops.get("6")
    assert found is not None
    assert sorted(found.levels, key=lambda each: each.id) == list(FULL.levels)
    assert (found.shop_set, found.no_level_name) == (FULL.shop_set, "访客")
    assert shops.profile("6", "joe") == Profile("Joe", "a.png")
    put_level(shops, "6", level(9, 9))
    shops.put_profile("6", "joe", Profile("Joseph"))
    found = shops.get("6")
    assert found is not None
    assert {each.id for each in found.levels} == {7, 8, 9}
    assert shops.profile("6", "joe") == Profile("Joseph")
    # Instances of the earlier release still read it during a rolling replacement.
    assert {key: store.get(key.decode()) for key in before} == before


def test_damaged_data_of_earlier_releases_is_not_a_mistake_of_the_caller(
    shops: ShopStore, store: Store
) -> None:
    damaged = b"\xff\xff\xff"
    store.set(keys.earlier_shop_settings("6"), damaged)
    store.set(keys.earlier_shop_settings("7"), pb.Shop(level_type="0").SerializeToString())
    store.hset(keys.earlier_shop_levels("7"), "1", damaged)
    store.set(BUCKETS.of("joe").earlier_shop_profile("6", "joe"), damaged)
    reads: list[Callable[[], object]] = [
        lambda: shops.get("6"),
        lambda: put_level(shops, "6", level(1, 1)),
        lambda: shops.get("7"),
        lambda: shops.profile("6", "joe"),
    ]
    for read in reads:
        with pytest.raises(DamagedDataError) as raised:
            read()
        assert as_failure(raised.value).reason == REASON_INTERNAL


def test_a_field_of_a_later_release_is_ignored_and_another_format_refused(
    shops: ShopStore, store: Store
) -> None:
    put(shops, FULL)
    document = json.loads(store.get(keys.shop("6")) or b"")
    document["levels"][0]["new"] = document["new"] = 1
    store.set(keys.shop("6"), json.dumps(document))
    assert shops.get("6") == FULL
    store.set(keys.shop("6"), json.dumps({**document, "format": 2}))
    with pytest.raises(UnknownFormatError):
        shops.get("6")
