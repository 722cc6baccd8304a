"""`python -m services.member_level`: builds the service by hand, serves, and drains."""

import sys

from levelgate.member.v1 import member_level_pb2
from levelgate.member.v1.member_level_pb2_grpc import add_MemberLevelServicer_to_server
from services.access.apps import Apps
from services.access.tokens import Tokens
from services.member_level.rule_book import RuleBook
from services.member_level.servicer import MemberLevel
from services.member_level.settings import MemberLevelSettings
from services.member_level.validation import CHECKS
from services.runtime import server
from services.runtime.auth import Policy
from services.runtime.health import StoreWatch
from services.runtime.pipeline import Pipeline
from services.runtime.settings import AccessSettings, load
from services.runtime.telemetry import Telemetry, configure_logging
from services.runtime.validation import Validator
from services.store.client import connect
from services.store.settings import StoreSettings
from services.user_state.state import UserState

CONTRACTS = [member_level_pb2.DESCRIPTOR.services_by_name["MemberLevel"]]


def main() -> int:
    settings = load(MemberLevelSettings)
    access = load(AccessSettings)
    configure_logging("member_level", settings.log_level)
    stop = server.Stop()
    store = connect(load(StoreSettings))
    names = [contract.full_name for contract in CONTRACTS]
    watch = StoreWatch(store, names, settings.health_interval_seconds, stop.fail)
    tokens = Tokens(store, Apps(store))
    telemetry = Telemetry()
    pipeline = Pipeline(
        watch, Policy(CONTRACTS, tokens, access.open_families), Validator(CHECKS), telemetry
    )
    grpc_server = server.build(settings, pipeline, watch, names)
    add_MemberLevelServicer_to_server(
        MemberLevel(UserState(store), RuleBook(store), settings.manual_level_days), grpc_server
    )
    telemetry.serve(settings.address, settings.metrics_port)
    return server.run(settings, grpc_server, watch, stop)


if __name__ == "__main__":
    sys.exit(main())
