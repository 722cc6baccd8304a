"""The RPCs of the Demotion service: plan, run and stop a demotion, and list the members at risk."""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from levelgate.member.v1 import demotion_pb2 as pb
from levelgate.member.v1.demotion_pb2_grpc import DemotionServicer
from services.member_level import failures, preview
from services.member_level.demotion.at_risk import AtRiskPages
from services.member_level.demotion.coordinator import DemotionCoordinator
from services.member_level.demotion.messages import progress_message, run_message
from services.member_level.demotion.run import Plan, Run, RunState
from services.member_level.demotion.run_store import RunStore
from services.member_level.messages import SUCCESS, move_message
from services.member_level.preview import Preview
from services.rules.ladder import Ladder
from services.rules.rule_book import Book, RuleBook
from services.runtime.call import current_app
from services.runtime.cancellation import require_caller
from services.store.batches import batched
from services.user_state.bulk import BulkUsers
from services.user_state.indexes import BUCKETS_AT_A_TIME, Counted, Span
from services.user_state.record import Record

_DEFAULT_SAMPLE_SIZE = 10
_DEFAULT_RUNS = 20
_DEFAULT_PAGE_SIZE = 100


class Demotion(DemotionServicer):
    """Implements levelgate.member.v1.Demotion."""

    def __init__(
        self,
        bulk: BulkUsers,
        rules: RuleBook,
        runs: RunStore,
        demotions: DemotionCoordinator,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._bulk = bulk
        self._rules = rules
        self._runs = runs
        self._demotions = demotions
        self._at_risk = AtRiskPages(bulk)
        self._now = now

    def PlanDemotion(
        self, request: pb.PlanDemotionRequest, context: grpc.ServicerContext
    ) -> pb.PlanDemotionResponse:
        proceed = partial(require_caller, context)
        book = self._book()
        asked = preview.preview_demotion(book.ladder, book.demotion_thresholds)
        found = list(self._bulk.indexes.count(asked.question, proceed))
        counts = asked.counts(found)
        ended = sum(each.protection_ended for each in found)
        has_size = request.HasField("sample_size")
        size = request.sample_size if has_size else _DEFAULT_SAMPLE_SIZE
        plan = self._runs.create_plan(current_app(), book.version, self._now())
        data = pb.DemotionPlan(
            plan_id=plan.id,
            created=Timestamp(seconds=plan.created),
            rule_version=book.version,
            moves=map(move_message, asked.moves(counts)),
            protection_ended=ended,
            members=sum(counts) + ended,
            sample=self._sample(book, asked, found, size, proceed),
        )
        return pb.PlanDemotionResponse(code=SUCCESS, data=data)

    def RunDemotion(
        self, request: pb.RunDemotionRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.RunDemotionResponse]:
        run = self._started(self._plan(request.plan_id))
        follower = self._demotions.follower(context)
        sent: pb.RunDemotionResponse | None = None
        for state in self._demotions.follow(run, follower):
            run = state
            progress = progress_message(run, self._bulk.buckets)
            if progress != sent:
                yield progress
                sent = progress
        if run.state is RunState.RUNNING and follower.is_finished() and not follower.has_left:
            # The caller can call again: another instance continues with the same run.
            raise failures.shutting_down()

    def StartDemotion(
        self, request: pb.StartDemotionRequest, _context: grpc.ServicerContext
    ) -> pb.StartDemotionResponse:
        rate = request.rate if request.HasField("rate") else None
        run = self._started(self._plan(request.plan_id), rate)
        return pb.StartDemotionResponse(code=SUCCESS, data=self._run_message(run))

    def StopDemotion(
        self, request: pb.StopDemotionRequest, _context: grpc.ServicerContext
    ) -> pb.StopDemotionResponse:
        run = self._runs.stop(request.run_id, current_app())
        if run is None:
            raise failures.run_not_found()
        return pb.StopDemotionResponse(code=SUCCESS, data=self._run_message(run))

    def ListDemotionRuns(
        self, request: pb.ListDemotionRunsRequest, _context: grpc.ServicerContext
    ) -> pb.ListDemotionRunsResponse:
        size = request.page_size if request.HasField("page_size") else _DEFAULT_RUNS
        data = pb.DemotionRuns(runs=map(self._run_message, self._runs.runs(size)))
        return pb.ListDemotionRunsResponse(code=SUCCESS, data=data)

    def ListAtRisk(
        self, request: pb.ListAtRiskRequest, context: grpc.ServicerContext
    ) -> pb.ListAtRiskResponse:
        size = request.page_size if request.HasField("page_size") else _DEFAULT_PAGE_SIZE
        proceed = partial(require_caller, context)
        data = self._at_risk.page(self._book(), request.points, size, request.cursor, proceed)
        return pb.ListAtRiskResponse(code=SUCCESS, data=data)

    def _book(self) -> Book:
        book = self._rules.book()
        if not book.ladder.rules:
            raise failures.no_rules()
        return book

    def _plan(self, plan_id: str) -> Plan:
        plan = self._runs.get_plan(plan_id)
        if plan is None or plan.app != current_app():
            raise failures.plan_not_found()
        return plan

    def _started(self, plan: Plan, rate: int | None = None) -> Run:
        if plan.ended is not None:
            return self._runs.ended(plan.id) or plan.ended
        current = self._runs.current()
        if current is not None and current.id == plan.id:
            return current
        if plan.rule_version != self._rules.book().version:
            raise failures.plan_stale()
        run = self._demotions.start(Run(plan.id, plan.app, plan.rule_version, rate=rate))
        if run.id != plan.id:
            raise failures.demotion_running()
        return run

    def _run_message(self, run: Run) -> pb.DemotionRun:
        return run_message(run, self._bulk.buckets)

    def _sample(
        self,
        book: Book,
        asked: Preview,
        found: Iterable[Counted],
        size: int,
        proceed: Callable[[], None],
    ) -> list[pb.DueMember]:
        """Some of the members that are due, from random buckets."""
        below = dict(book.demotion_thresholds)
        places = []
        for each in found:
            levels = sorted({asked.pairs[stretch][0] for stretch, _ in each.stretches})
            # Each of these levels has at least one member, so `size` levels are enough.
            spans = [Span(False, level, 0, below[level]) for level in levels[:size]]
            if spans or each.protection_ended:
                places.append((each.bucket, spans))
        random.shuffle(places)
        sample: list[pb.DueMember] = []
        for some in batched(places, BUCKETS_AT_A_TIME):
            if len(sample) >= size:
                break
            proceed()
            due = self._bulk.indexes.due(some, size - len(sample))
            sample += (_due_member(book.ladder, *each) for each in due)
        return sample


def _due_member(ladder: Ladder, user: str, record: Record) -> pb.DueMember:
    earned = ladder.level_for(record.points)
    return pb.DueMember(
        user_id=user,
        points=record.points,
        from_level=record.level,
        to_level=record.level if earned is None else min(record.level, earned),
    )
