"""shop_level, built by hand."""

from levelgate.shop.v1.shop_admin_pb2_grpc import add_ShopAdminServicer_to_server
from levelgate.shop.v1.shop_level_pb2_grpc import add_ShopLevelServicer_to_server
from services.runtime import foundation
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
    base = foundation.lay("shop_level", settings, CONTRACT, CHECKS)
    shops = ShopStore(base.store, base.buckets)
    add_ShopLevelServicer_to_server(
        ShopLevel(
            UserState(base.store, base.buckets),
            shops,
            settings.default_shop,
            is_open="shop" in base.access.open_families,
        ),
        base.server,
    )
    add_ShopAdminServicer_to_server(ShopAdmin(shops), base.server)
    return base.service(CONTRACT)
