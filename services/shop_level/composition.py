"""Assembles shop_level: its servicers."""

from levelgate.shop.v1.shop_admin_pb2_grpc import add_ShopAdminServicer_to_server
from levelgate.shop.v1.shop_level_pb2_grpc import add_ShopLevelServicer_to_server
from services.runtime.service import Service
from services.runtime.settings import load
from services.shop_level.admin_servicer import ShopAdmin
from services.shop_level.contract import CONTRACT
from services.shop_level.servicer import ShopLevel
from services.shop_level.settings import ShopLevelSettings
from services.shop_level.shop_store import ShopStore
from services.shop_level.validation import CHECKS
from services.user_state.state import UserState


def build() -> Service:
    settings = load(ShopLevelSettings)
    service = Service("shop_level", settings, CONTRACT, CHECKS)
    shops = ShopStore(service.store, service.buckets)
    add_ShopLevelServicer_to_server(
        ShopLevel(
            UserState(service.store, service.buckets),
            shops,
            settings.default_shop,
            is_open="shop" in service.access.open_families,
        ),
        service.server,
    )
    add_ShopAdminServicer_to_server(ShopAdmin(shops), service.server)
    return service
