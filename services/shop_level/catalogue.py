"""What the page of docs/api/shop-member-level.md shows of a shop: levels, rights, the member.

Does no I/O. docs/design.md says what counts where the document contradicts itself.
"""

from collections.abc import Iterable

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value

from levelgate.shop.v1.shop_level_pb2 import Goods as GoodsMessage
from levelgate.shop.v1.shop_level_pb2 import Level, MemberData, Rights
from services.shop_level.shop import Goods, Profile, Shop, ShopLevel

BY_MONEY, BY_COUNT, BY_GOODS = "0", "1", "2"
LEVEL_TYPES = (BY_MONEY, BY_COUNT, BY_GOODS)

# The level name of a member without a level of the shop, unless the shop defines another one.
NO_LEVEL_NAME = "普通会员"


def by_weight(levels: Iterable[ShopLevel]) -> list[ShopLevel]:
    return sorted(levels, key=lambda level: level.weight)


def level_of(levels: Iterable[ShopLevel], shared_level: int) -> ShopLevel | None:
    """The shop's level whose weight is the shared level."""
    return next((level for level in levels if level.weight == shared_level), None)


def shown_levels(shop: Shop) -> list[Level]:
    return [_shown(shop, level) for level in by_weight(shop.levels)]


def shown_member(
    shop: Shop, level: ShopLevel | None, profile: Profile, days_left: int
) -> MemberData:
    """The member's data; a member without a level of the shop has no rights."""
    member = MemberData(nickname=profile.nickname, avatar=profile.avatar, validity=days_left)
    if level is None:
        name = shop.no_level_name
        member.level_name = NO_LEVEL_NAME if name is None else name
        return member
    member.level_id = level.id
    member.level_name = level.level_name
    member.rights.CopyFrom(
        Rights(
            discount=level.discount,
            freight_reduction=level.freight_reduction,
            rent_free=_string_or_null(level.rent_free),
            deposit_free=_string_or_null(level.deposit_free),
        )
    )
    return member


def _shown(shop: Shop, level: ShopLevel) -> Level:
    shown = Level(
        id=level.id,
        level_name=level.level_name,
        discount=level.discount,
        freight_reduction=level.freight_reduction,
        rent_free=_string_or_null(level.rent_free),
        deposit_free=_string_or_null(level.deposit_free),
    )
    # Only the key that level_type selects is shown. If it is empty, nothing raises to this level.
    if shop.level_type == BY_MONEY:
        shown.order_money = level.order_money
    elif shop.level_type == BY_COUNT:
        shown.order_count = level.order_count
    elif shop.goods_as_array:
        goods = [] if level.goods is None else [_goods_value(level.goods)]
        shown.goods_other_shape.list_value.CopyFrom(ListValue(values=goods))
    elif level.goods is not None:
        shown.goods.CopyFrom(GoodsMessage(**vars(level.goods)))
    else:
        shown.goods_other_shape.null_value = NULL_VALUE
    return shown


def _goods_value(goods: Goods) -> Value:
    struct = Struct()
    struct.update(vars(goods))
    return Value(struct_value=struct)


def _string_or_null(text: str | None) -> Value:
    return Value(null_value=NULL_VALUE) if text is None else Value(string_value=text)
