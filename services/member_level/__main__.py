"""`python -m services.member_level`: builds the service by hand, serves, and drains."""

import sys
from functools import partial

from levelgate.member.v1 import (
    demotion_pb2,
    member_bulk_pb2,
    member_history_pb2,
    member_level_pb2,
)
from levelgate.member.v1.demotion_pb2_grpc import add_DemotionServicer_to_server
from levelgate.member.v1.member_bulk_pb2_grpc import add_MemberBulkServicer_to_server
from levelgate.member.v1.member_history_pb2_grpc import add_MemberHistoryServicer_to_server
from levelgate.member.v1.member_level_pb2_grpc import add_MemberLevelServicer_to_server
from services.access.apps import Apps
from services.access.known_tokens import KnownTokens
from services.access.tokens import Tokens
from services.member_level.bulk_servicer import MemberBulk
from services.member_level.demotion_driver import DemotionDriver
from services.member_level.demotion_runs import DemotionRuns
from services.member_level.demotion_servicer import Demotion
from services.member_level.demotions import Demotions
from services.member_level.history_servicer import MemberHistory
from services.member_level.run_progress import RunProgress
from services.member_level.schedule import Schedule
from services.member_level.scheduled_demotions import ScheduledDemotions
from services.member_level.servicer import MemberLevel
from services.member_level.settings import MemberLevelSettings
from services.member_level.validation import CHECKS
from services.rules.rule_book import RuleBook
from services.runtime import pages, server
from services.runtime.app_rate import AppRate
from services.runtime.auth import Policy
from services.runtime.health import StoreWatch
from services.runtime.pipeline import Gate, Pipeline
from services.runtime.settings import AccessSettings, load
from services.runtime.telemetry import Telemetry, configure_logging
from services.runtime.validation import Validator
from services.store import layout
from services.store.client import connect
from services.store.keys import Buckets
from services.store.settings import StoreSettings
from services.user_state.crowd import Crowd
from services.user_state.feed import Feed
from services.user_state.scripts import Kept
from services.user_state.state import UserState

CONTRACTS = [
    member_level_pb2.DESCRIPTOR.services_by_name["MemberLevel"],
    member_history_pb2.DESCRIPTOR.services_by_name["MemberHistory"],
    demotion_pb2.DESCRIPTOR.services_by_name["Demotion"],
    member_bulk_pb2.DESCRIPTOR.services_by_name["MemberBulk"],
]


def main() -> int:
    settings = load(MemberLevelSettings)
    access = load(AccessSettings)
    store_settings = load(StoreSettings)
    configure_logging("member_level", settings.log_level)
    stop = server.Stop()
    store = connect(store_settings)
    buckets = Buckets(store_settings.buckets)
    names = [contract.full_name for contract in CONTRACTS]
    claim = partial(layout.claim, store, buckets, is_writer=True)
    watch = StoreWatch(store, names, settings.health_interval_seconds, stop.fail, claim)
    tokens = Tokens(store, Apps(store))
    telemetry = Telemetry()
    validator = Validator(CHECKS)
    policy = Policy(CONTRACTS, KnownTokens(tokens), access.open_families)
    gate = Gate(watch, policy, AppRate(access.app_rate_limit))
    pipeline = Pipeline(gate, validator, telemetry, settings.streams)

    kept = Kept(settings.history, settings.feed)
    users = UserState(store, buckets, kept)
    crowd = Crowd(store, buckets, kept)
    rules = RuleBook(store)
    runs = DemotionRuns(store)
    progress = RunProgress(runs)
    driver = DemotionDriver(
        crowd, progress, rules, rate=settings.demotion_rate, stopping=watch.stopping
    )
    demotions = Demotions(progress, rules, driver, watch.stopping)
    history = MemberHistory(
        users,
        Feed(store, buckets),
        watch_seconds=settings.watch_interval_seconds,
        stopping=watch.stopping,
    )

    grpc_server = server.build(settings, pipeline, watch, names)
    add_MemberLevelServicer_to_server(
        MemberLevel(users, crowd, rules, demotions, manual_level_days=settings.manual_level_days),
        grpc_server,
    )
    add_MemberHistoryServicer_to_server(history, grpc_server)
    add_DemotionServicer_to_server(Demotion(crowd, rules, runs, demotions), grpc_server)
    add_MemberBulkServicer_to_server(MemberBulk(crowd, rules, validator), grpc_server)
    pages.serve(settings, telemetry.registry)
    driver.start()
    if settings.demotion_schedule:
        schedule = Schedule.parse(settings.demotion_schedule)
        ScheduledDemotions(store, rules, demotions, schedule).start(watch.stopping)
    code = server.run(settings, grpc_server, watch, stop)
    driver.join(settings.grace_seconds)
    return code


if __name__ == "__main__":
    sys.exit(main())
