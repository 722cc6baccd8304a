"""`python -m services.upbot_checks`: builds the service by hand, serves, and drains."""

import sys
from functools import partial

from levelgate.access.v1 import access_tokens_pb2
from levelgate.access.v1.access_tokens_pb2_grpc import add_AccessTokensServicer_to_server
from levelgate.upbot.v1 import eligibility_pb2, upbot_checks_pb2, user_facts_pb2
from levelgate.upbot.v1.eligibility_pb2_grpc import add_EligibilityServicer_to_server
from levelgate.upbot.v1.upbot_checks_pb2_grpc import add_UpbotChecksServicer_to_server
from levelgate.upbot.v1.user_facts_pb2_grpc import add_UserFactsServicer_to_server
from services.access.apps import Apps
from services.access.known_tokens import KnownTokens
from services.access.tokens import Tokens
from services.rules.rule_book import RuleBook
from services.runtime import pages, read_metrics, server
from services.runtime.app_rate import AppRate
from services.runtime.auth import Policy
from services.runtime.health import StoreWatch
from services.runtime.pipeline import Gate, Pipeline
from services.runtime.settings import AccessSettings, load
from services.runtime.telemetry import Telemetry, configure_logging
from services.runtime.validation import Validator
from services.store import layout
from services.store.client import connect, connect_reads
from services.store.keys import Buckets
from services.store.reads import StoreReads
from services.store.settings import StoreSettings
from services.upbot_checks.eligibility_servicer import Eligibility
from services.upbot_checks.facts import Facts
from services.upbot_checks.facts_servicer import UserFacts
from services.upbot_checks.servicer import UpbotChecks
from services.upbot_checks.settings import UpbotChecksSettings
from services.upbot_checks.snapshots import Snapshots
from services.upbot_checks.tokens_servicer import AccessTokens
from services.upbot_checks.validation import CHECKS
from services.user_state.state import UserState

CONTRACTS = [
    upbot_checks_pb2.DESCRIPTOR.services_by_name["UpbotChecks"],
    eligibility_pb2.DESCRIPTOR.services_by_name["Eligibility"],
    user_facts_pb2.DESCRIPTOR.services_by_name["UserFacts"],
    access_tokens_pb2.DESCRIPTOR.services_by_name["AccessTokens"],
]


def main() -> int:
    settings = load(UpbotChecksSettings)
    access = load(AccessSettings)
    configure_logging("upbot_checks", settings.log_level)
    stop = server.Stop()
    store_settings = load(StoreSettings)
    store = connect(store_settings)
    buckets = Buckets(store_settings.buckets)
    names = [contract.full_name for contract in CONTRACTS]
    claim = partial(layout.claim, store, buckets)
    watch = StoreWatch(store, names, settings.health_interval_seconds, stop.fail, claim)
    apps = Apps(store)
    tokens = Tokens(store, apps)
    reads = connect_reads(store_settings, store)
    facts = Facts(store, buckets, reads)
    validator = Validator(CHECKS)
    telemetry = Telemetry()
    read_metrics.show(telemetry.registry, reads)
    policy = Policy(CONTRACTS, KnownTokens(tokens), access.open_families)
    gate = Gate(watch, policy, AppRate(access.app_rate_limit))
    pipeline = Pipeline(gate, validator, telemetry, settings.streams)
    grpc_server = server.build(settings, pipeline, watch, names)
    users = UserState(store, buckets, reads=reads)
    add_UpbotChecksServicer_to_server(UpbotChecks(users, facts), grpc_server)
    snapshots = Snapshots(reads, StoreReads(store), buckets)
    eligibility = Eligibility(snapshots, RuleBook(store), validator)
    add_EligibilityServicer_to_server(eligibility, grpc_server)
    add_UserFactsServicer_to_server(UserFacts(facts, validator), grpc_server)
    add_AccessTokensServicer_to_server(AccessTokens(apps, tokens), grpc_server)
    pages.serve(settings, telemetry.registry)
    return server.run(settings, grpc_server, watch, stop)


if __name__ == "__main__":
    sys.exit(main())
