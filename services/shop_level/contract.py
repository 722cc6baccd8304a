"""The RPCs that shop_level serves."""

from levelgate.shop.v1 import shop_admin_pb2, shop_level_pb2
from services.runtime.methods import Contract

CONTRACT = Contract(
    [
        shop_level_pb2.DESCRIPTOR.services_by_name["ShopLevel"],
        shop_admin_pb2.DESCRIPTOR.services_by_name["ShopAdmin"],
    ]
)
