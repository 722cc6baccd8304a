"""`python -m services.shop_level`: builds the service by hand, serves, and drains."""

import sys

from levelgate.shop.v1 import shop_admin_pb2, shop_level_pb2
from levelgate.shop.v1.shop_admin_pb2_grpc import add_ShopAdminServicer_to_server
from levelgate.shop.v1.shop_level_pb2_grpc import add_ShopLevelServicer_to_server
from services.access.apps import Apps
from services.access.tokens import Tokens
from services.runtime import server
from services.runtime.auth import Policy
from services.runtime.health import StoreWatch
from services.runtime.pipeline import Pipeline
from services.runtime.settings import AccessSettings, load
from services.runtime.telemetry import Telemetry, configure_logging
from services.runtime.validation import Validator
from services.shop_level.admin_servicer import ShopAdmin
from services.shop_level.servicer import ShopLevel
from services.shop_level.settings import ShopLevelSettings
from services.shop_level.shops import Shops
from services.shop_level.validation import CHECKS
from services.store.client import connect
from services.store.settings import StoreSettings
from services.user_state.state import UserState

CONTRACTS = [
    shop_level_pb2.DESCRIPTOR.services_by_name["ShopLevel"],
    shop_admin_pb2.DESCRIPTOR.services_by_name["ShopAdmin"],
]


def main() -> int:
    settings = load(ShopLevelSettings)
    access = load(AccessSettings)
    configure_logging("shop_level", settings.log_level)
    stop = server.Stop()
    store = connect(load(StoreSettings))
    names = [contract.full_name for contract in CONTRACTS]
    watch = StoreWatch(store, names, settings.health_interval_seconds, stop.fail)
    tokens = Tokens(store, Apps(store))
    shops = Shops(store)
    telemetry = Telemetry()
    pipeline = Pipeline(
        watch, Policy(CONTRACTS, tokens, access.open_families), Validator(CHECKS), telemetry
    )
    grpc_server = server.build(settings, pipeline, watch, names)
    add_ShopLevelServicer_to_server(
        ShopLevel(
            UserState(store),
            shops,
            settings.default_shop,
            is_open="shop" in access.open_families,
        ),
        grpc_server,
    )
    add_ShopAdminServicer_to_server(ShopAdmin(shops), grpc_server)
    telemetry.serve(settings.address, settings.metrics_port)
    return server.run(settings, grpc_server, watch, stop)


if __name__ == "__main__":
    sys.exit(main())
