"""From what operators put into a shop to what the document shows: levels, rights, the member.

docs/api/shop-member-level.md; the design says what holds where it contradicts itself.
"""

from collections.abc import Iterable, Sequence

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value

from levelgate.shop.v1.shop_admin_pb2 import Shop, ShopLevelSettings
from levelgate.shop.v1.shop_level_pb2 import Goods, Level, MemberData, Rights

BY_MONEY, BY_COUNT, BY_GOODS = "0", "1", "2"
LEVEL_TYPES = (BY_MONEY, BY_COUNT, BY_GOODS)

# What a member without a level of the shop is called, unless the shop says otherwise.
NO_LEVEL_NAME = "普通会员"


def by_weight(levels: Iterable[ShopLevelSettings]) -> list[ShopLevelSettings]:
    return sorted(levels, key=lambda level: level.weight)


def level_of(levels: Iterable[ShopLevelSettings], shared_level: int) -> ShopLevelSettings | None:
    """The shop's level whose weight is the shared level."""
    return next((level for level in levels if level.weight == shared_level), None)


def shown_levels(shop: Shop, levels: Sequence[ShopLevelSettings]) -> list[Level]:
    return [_shown(shop, level) for level in by_weight(levels)]


def shown_member(
    shop: Shop, own: ShopLevelSettings | None, nickname: str, avatar: str, days_left: int
) -> MemberData:
    """The member's part; without a level of the shop there are no rights."""
    member = MemberData(nickname=nickname, avatar=avatar, validity=days_left)
    if own is None:
        named = shop.HasField("no_level_name")
        member.level_name = shop.no_level_name if named else NO_LEVEL_NAME
        return member
    member.level_id = own.id
    member.level_name = own.level_name
    member.rights.CopyFrom(
        Rights(
            discount=own.discount,
            freight_reduction=own.freight_reduction,
            rent_free=_string_or_null(own, "rent_free"),
            deposit_free=_string_or_null(own, "deposit_free"),
        )
    )
    return member


def _shown(shop: Shop, level: ShopLevelSettings) -> Level:
    shown = Level(
        id=level.id,
        level_name=level.level_name,
        discount=level.discount,
        freight_reduction=level.freight_reduction,
        rent_free=_string_or_null(level, "rent_free"),
        deposit_free=_string_or_null(level, "deposit_free"),
    )
    # Only the key that level_type names is shown; empty, it says that nothing raises to here.
    if shop.level_type == BY_MONEY:
        shown.order_money = level.order_money
    elif shop.level_type == BY_COUNT:
        shown.order_count = level.order_count
    elif shop.goods_as_array:
        goods = [_goods_value(level.goods)] if level.HasField("goods") else []
        shown.goods_other_shape.list_value.CopyFrom(ListValue(values=goods))
    elif level.HasField("goods"):
        shown.goods.CopyFrom(level.goods)
    else:
        shown.goods_other_shape.null_value = NULL_VALUE
    return shown


def _goods_value(goods: Goods) -> Value:
    struct = Struct()
    struct.update(
        {"id": goods.id, "title": goods.title, "thumb": goods.thumb, "price": goods.price}
    )
    return Value(struct_value=struct)


def _string_or_null(level: ShopLevelSettings, name: str) -> Value:
    if level.HasField(name):  # type: ignore[arg-type]  # one of the two names above
        return Value(string_value=getattr(level, name))
    return Value(null_value=NULL_VALUE)
