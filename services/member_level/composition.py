"""Assembles member_level: its servicers and its background work."""

from functools import partial

from levelgate.member.v1.demotion_pb2_grpc import add_DemotionServicer_to_server
from levelgate.member.v1.member_bulk_pb2_grpc import add_MemberBulkServicer_to_server
from levelgate.member.v1.member_history_pb2_grpc import add_MemberHistoryServicer_to_server
from levelgate.member.v1.member_level_pb2_grpc import add_MemberLevelServicer_to_server
from levelgate.member.v1.members_pb2_grpc import add_MembersServicer_to_server
from levelgate.member.v1.rule_books_pb2_grpc import add_RuleBooksServicer_to_server
from services.member_level.bulk_servicer import MemberBulk
from services.member_level.contract import CONTRACT
from services.member_level.demotion.coordinator import DemotionCoordinator
from services.member_level.demotion.progress import RunProgress
from services.member_level.demotion.run_store import RunStore
from services.member_level.demotion.schedule import Schedule
from services.member_level.demotion.scheduler import DemotionScheduler
from services.member_level.demotion.servicer import Demotion
from services.member_level.demotion.worker import DemotionWorker
from services.member_level.history_servicer import MemberHistory
from services.member_level.level_pages import LevelPages
from services.member_level.member_search import MemberSearch
from services.member_level.member_summary import MemberSummaries
from services.member_level.members_servicer import Members
from services.member_level.rule_books_servicer import RuleBooks
from services.member_level.servicer import MemberLevel
from services.member_level.settings import MemberLevelSettings
from services.member_level.validation import CHECKS
from services.rules.rule_book import RuleBook
from services.runtime.service import Service
from services.runtime.settings import load
from services.store.pace import Pace
from services.user_facts.fact_store import FactStore
from services.user_state.bulk import BulkUsers
from services.user_state.feed import Feed
from services.user_state.indexes import Indexes
from services.user_state.scripts import Retention
from services.user_state.search import PrefixSearch
from services.user_state.state import UserState


def build() -> Service:
    settings = load(MemberLevelSettings)
    service = Service("member_level", settings, CONTRACT, CHECKS, is_writer=True)
    store, buckets, server = service.store, service.buckets, service.server
    stopping = service.shutdown.stopping

    retention = Retention(settings.history, settings.feed, settings.feed_seconds)
    users = UserState(store, buckets, retention)
    bulk = BulkUsers(store, buckets, retention)
    rules = RuleBook(store)
    runs = RunStore(store)
    progress = RunProgress(runs)
    worker = DemotionWorker(bulk, progress, rules, rate=settings.demotion_rate, stopping=stopping)
    demotions = DemotionCoordinator(progress, rules, worker, stopping)
    history = MemberHistory(
        users,
        Feed(store, buckets),
        watch_seconds=settings.watch_interval_seconds,
        stopping=stopping,
    )

    add_MemberLevelServicer_to_server(
        MemberLevel(users, bulk, rules, demotions, manual_level_days=settings.manual_level_days),
        server,
    )
    add_MemberHistoryServicer_to_server(history, server)
    add_DemotionServicer_to_server(Demotion(bulk, rules, runs, demotions), server)
    add_RuleBooksServicer_to_server(RuleBooks(rules), server)
    # Four callers of each of these calls read all indexes at a time.
    pace = Pace()
    indexes = Indexes(store, buckets, turn=pace.turn)
    pages = LevelPages(indexes, buckets, pace.turn)
    search = MemberSearch(users, PrefixSearch(store), buckets, turn=pace.turn)
    summaries = MemberSummaries(users, FactStore(store, buckets), rules)
    members = Members(rules, indexes, pages, search, summaries)
    add_MembersServicer_to_server(members, server)
    add_MemberBulkServicer_to_server(MemberBulk(bulk, rules, service.validator), server)

    service.add_background(worker.start, partial(worker.join, settings.grace_seconds))
    if settings.demotion_schedule:
        schedule = Schedule.parse(settings.demotion_schedule)
        scheduled = DemotionScheduler(store, rules, demotions, schedule)
        service.add_background(partial(scheduled.start, stopping))
    return service
