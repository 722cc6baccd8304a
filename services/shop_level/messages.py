"""Converts between the shops of the RPC contract and those of this service.

Only the fields listed here are taken from a message. Protobuf keeps a field that was sent with a
wrong wire type as an unknown field; in a reply it would make the gateway's transcoder answer 502
(found by `make fuzz`).
"""

from levelgate.shop.v1.shop_admin_pb2 import Shop as ShopMessage
from levelgate.shop.v1.shop_admin_pb2 import ShopLevelSettings
from levelgate.shop.v1.shop_level_pb2 import Goods as GoodsMessage
from levelgate.shop.v1.shop_level_pb2 import ShopSet as ShopSetMessage
from services.shop_level.shop import Goods, Shop, ShopLevel, ShopSet


def read_shop(message: ShopMessage, levels: tuple[ShopLevel, ...]) -> Shop:
    return Shop(
        level_type=message.level_type,
        shop_set=_read_shop_set(message.shop_set) if message.HasField("shop_set") else None,
        shop_description=message.shop_description,
        no_level_name=message.no_level_name if message.HasField("no_level_name") else None,
        goods_as_array=message.goods_as_array,
        levels=levels,
    )


def read_level(message: ShopLevelSettings) -> ShopLevel:
    return ShopLevel(
        id=message.id,
        weight=message.weight,
        level_name=message.level_name,
        discount=message.discount,
        freight_reduction=message.freight_reduction,
        order_money=message.order_money,
        order_count=message.order_count,
        goods=_read_goods(message.goods) if message.HasField("goods") else None,
        rent_free=message.rent_free if message.HasField("rent_free") else None,
        deposit_free=message.deposit_free if message.HasField("deposit_free") else None,
    )


def shop_message(shop: Shop) -> ShopMessage:
    return ShopMessage(
        shop_set=None if shop.shop_set is None else shop_set_message(shop.shop_set),
        shop_description=shop.shop_description,
        level_type=shop.level_type,
        no_level_name=shop.no_level_name,
        goods_as_array=shop.goods_as_array,
    )


def level_message(level: ShopLevel) -> ShopLevelSettings:
    goods = None if level.goods is None else goods_message(level.goods)
    return ShopLevelSettings(**{**vars(level), "goods": goods})


def shop_set_message(shop_set: ShopSet) -> ShopSetMessage:
    return ShopSetMessage(**vars(shop_set))


def goods_message(goods: Goods) -> GoodsMessage:
    return GoodsMessage(**vars(goods))


def _read_shop_set(message: ShopSetMessage) -> ShopSet:
    return ShopSet(
        name=message.name,
        logo=message.logo,
        signimg=message.signimg,
        cservice=message.cservice,
        diycode=message.diycode,
        copyright=message.copyright,
        credit=message.credit,
        credit1=message.credit1,
    )


def _read_goods(message: GoodsMessage) -> Goods:
    return Goods(id=message.id, title=message.title, thumb=message.thumb, price=message.price)
