"""Assembles upbot_checks: its servicers, and the reads that they share."""

from levelgate.access.v1.access_tokens_pb2_grpc import add_AccessTokensServicer_to_server
from levelgate.access.v1.registered_apps_pb2_grpc import add_RegisteredAppsServicer_to_server
from levelgate.upbot.v1.eligibility_pb2_grpc import add_EligibilityServicer_to_server
from levelgate.upbot.v1.upbot_checks_pb2_grpc import add_UpbotChecksServicer_to_server
from levelgate.upbot.v1.user_facts_pb2_grpc import add_UserFactsServicer_to_server
from services.access.apps import Apps
from services.access.tokens import Tokens
from services.rules.rule_book import RuleBook
from services.runtime import read_metrics
from services.runtime.service import Service
from services.runtime.settings import load
from services.store.client import connect_reads
from services.store.reads import StoreReads
from services.upbot_checks.apps_servicer import RegisteredApps
from services.upbot_checks.contract import CONTRACT
from services.upbot_checks.eligibility.servicer import Eligibility
from services.upbot_checks.eligibility.snapshots import Snapshots
from services.upbot_checks.facts_servicer import UserFacts
from services.upbot_checks.servicer import UpbotChecks
from services.upbot_checks.settings import UpbotChecksSettings
from services.upbot_checks.tokens_servicer import AccessTokens
from services.upbot_checks.validation import CHECKS
from services.user_facts.fact_store import FactStore
from services.user_state.state import UserState


def build() -> Service:
    settings = load(UpbotChecksSettings)
    service = Service("upbot_checks", settings, CONTRACT, CHECKS)
    reads = connect_reads(service.store_settings, service.store)
    read_metrics.register(service.telemetry.registry, reads)
    facts = FactStore(service.store, service.buckets, reads)
    users = UserState(service.store, service.buckets, reads=reads)
    add_UpbotChecksServicer_to_server(UpbotChecks(users, facts), service.server)
    snapshots = Snapshots(reads, StoreReads(service.store), service.buckets)
    eligibility = Eligibility(snapshots, RuleBook(service.store), service.validator)
    add_EligibilityServicer_to_server(eligibility, service.server)
    add_UserFactsServicer_to_server(UserFacts(facts, service.validator), service.server)
    apps = Apps(service.store)
    access_tokens = AccessTokens(apps, Tokens(service.store))
    add_AccessTokensServicer_to_server(access_tokens, service.server)
    add_RegisteredAppsServicer_to_server(RegisteredApps(apps), service.server)
    return service
