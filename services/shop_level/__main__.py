"""`python -m services.shop_level`: builds the service by hand, serves, and drains."""

import sys
from functools import partial

from levelgate.shop.v1 import shop_admin_pb2, shop_level_pb2
from levelgate.shop.v1.shop_admin_pb2_grpc import add_ShopAdminServicer_to_server
from levelgate.shop.v1.shop_level_pb2_grpc import add_ShopLevelServicer_to_server
from services.access.apps import Apps
from services.access.known_tokens import KnownTokens
from services.access.tokens import Tokens
from services.runtime import pages, server
from services.runtime.app_rate import AppRate
from services.runtime.auth import Policy
from services.runtime.health import StoreWatch
from services.runtime.pipeline import Gate, Pipeline
from services.runtime.settings import AccessSettings, load
from services.runtime.telemetry import Telemetry, configure_logging
from services.runtime.validation import Validator
from services.shop_level.admin_servicer import ShopAdmin
from services.shop_level.servicer import ShopLevel
from services.shop_level.settings import ShopLevelSettings
from services.shop_level.shops import Shops
from services.shop_level.validation import CHECKS
from services.store import layout
from services.store.client import connect
from services.store.keys import Buckets
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
    store_settings = load(StoreSettings)
    store = connect(store_settings)
    buckets = Buckets(store_settings.buckets)
    names = [contract.full_name for contract in CONTRACTS]
    claim = partial(layout.claim, store, buckets)
    watch = StoreWatch(store, names, settings.health_interval_seconds, stop.fail, claim)
    tokens = Tokens(store, Apps(store))
    shops = Shops(store, buckets)
    telemetry = Telemetry()
    policy = Policy(CONTRACTS, KnownTokens(tokens), access.open_families)
    gate = Gate(watch, policy, AppRate(access.app_rate_limit))
    pipeline = Pipeline(gate, Validator(CHECKS), telemetry, settings.streams)
    grpc_server = server.build(settings, pipeline, watch, names)
    add_ShopLevelServicer_to_server(
        ShopLevel(
            UserState(store, buckets),
            shops,
            settings.default_shop,
            is_open="shop" in access.open_families,
        ),
        grpc_server,
    )
    add_ShopAdminServicer_to_server(ShopAdmin(shops), grpc_server)
    pages.serve(settings, telemetry.registry)
    return server.run(settings, grpc_server, watch, stop)


if __name__ == "__main__":
    sys.exit(main())
