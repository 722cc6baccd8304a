"""Assembles upbot_checks: its servicers, and the reads that they share."""

from levelgate.access.v1.access_tokens_pb2_grpc import add_AccessTokensServicer_to_server
from levelgate.access.v1.reason_pb2 import REASON_TOO_MANY_STREAMS
from levelgate.access.v1.registered_apps_pb2_grpc import add_RegisteredAppsServicer_to_server
from levelgate.upbot.v1.eligibility_pb2_grpc import add_EligibilityServicer_to_server
from levelgate.upbot.v1.upbot_checks_pb2_grpc import add_UpbotChecksServicer_to_server
from levelgate.upbot.v1.user_facts_pb2_grpc import add_UserFactsServicer_to_server
from services.access.apps import Apps
from services.access.tokens import Tokens
from services.rules.rule_book import RuleBook
from services.runtime import read_metrics
from services.runtime.admission import Admission
from services.runtime.service import Service
from services.runtime.settings import load
from services.store.client import connect_reads
from services.store.pace import Pace
from services.store.reads import StoreReads
from services.upbot_checks.apps_servicer import RegisteredApps
from services.upbot_checks.contract import CONTRACT
from services.upbot_checks.eligibility.audience import Audience
from services.upbot_checks.eligibility.counting import Counting
from services.upbot_checks.eligibility.search import Searches
from services.upbot_checks.eligibility.servicer import Eligibility
from services.upbot_checks.eligibility.snapshots import Snapshots
from services.upbot_checks.facts_servicer import UserFacts
from services.upbot_checks.servicer import UpbotChecks
from services.upbot_checks.settings import UpbotChecksSettings
from services.upbot_checks.tokens_servicer import AccessTokens
from services.upbot_checks.validation import CHECKS
from services.user_facts.fact_index import FactIndex
from services.user_facts.fact_store import FactStore
from services.user_state.state import UserState

# Searches may take one in so many of an instance's streams.
SEARCHES_SHARE = 4


def build() -> Service:
    settings = load(UpbotChecksSettings)
    service = Service("upbot_checks", settings, CONTRACT, CHECKS)
    reads = connect_reads(service.store_settings, service.store)
    read_metrics.register(service.telemetry.registry, reads)
    facts = FactStore(service.store, service.buckets, reads)
    users = UserState(service.store, service.buckets, reads=reads)
    add_UpbotChecksServicer_to_server(UpbotChecks(users, facts), service.server)
    snapshots = Snapshots(reads, StoreReads(service.store), service.buckets)
    rules = RuleBook(service.store)
    eligibility = Eligibility(snapshots, rules, service.validator, _audience(service, rules))
    add_EligibilityServicer_to_server(eligibility, service.server)
    add_UserFactsServicer_to_server(UserFacts(facts, service.validator), service.server)
    apps = Apps(service.store)
    access_tokens = AccessTokens(apps, Tokens(service.store))
    add_AccessTokensServicer_to_server(access_tokens, service.server)
    add_RegisteredAppsServicer_to_server(RegisteredApps(apps), service.server)
    service.add_background(FactIndex(service.store, facts, service.shutdown.stopping).start)
    return service


def _audience(service: Service, rules: RuleBook) -> Audience:
    # Not through the tracked reads: a search would replace what checks have in memory.
    searches = Searches(service.store, service.buckets, rules, Pace())
    counting = Counting(searches)
    most = max(1, service.settings.streams // SEARCHES_SHARE)
    streams = Admission(most, REASON_TOO_MANY_STREAMS, "searches")
    return Audience(searches, counting, streams, service.shutdown.stopping)
