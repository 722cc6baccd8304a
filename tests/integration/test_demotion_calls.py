"""StartDemotion, StopDemotion and ListDemotionRuns through real services."""

from pathlib import Path

import pytest

from levelgate.member.v1 import demotion_pb2 as pb
from levelgate.member.v1 import rule_books_pb2
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from levelgate.member.v1.rule_books_pb2_grpc import RuleBooksStub
from operations.commands.demo import prepare
from services.rules.rule_book import RuleBook
from services.store.store import Store
from tests.stack.waiting import until
from tests.support.member_calls import due, failure, import_rows, plan
from tests.support.service import Service, running_service

pytestmark = pytest.mark.stores("valkey")

RUNNING = pb.RunDemotionResponse.STATE_RUNNING
STOPPED = pb.RunDemotionResponse.STATE_STOPPED


def test_a_replacement_of_the_rules_stops_a_run_in_progress(
    address: str, store: Store, tmp_path: Path
) -> None:
    demo = prepare(address)
    with running_service(address, tmp_path / "log") as service:
        service.token = demo.token
        service.wait_for("SERVING")
        import_rows(service, due(1_000))
        planned = plan(service)
        stub = DemotionStub(service.channel)
        start = pb.StartDemotionRequest(plan_id=planned.plan_id, rate=50)
        run = stub.StartDemotion(start, timeout=5, metadata=service.metadata).data
        assert (run.run_id, run.state, run.rate) == (planned.plan_id, RUNNING, 50)
        # Another plan cannot be started meanwhile, and this one is not started twice.
        other = pb.StartDemotionRequest(plan_id=plan(service).plan_id)
        wanted = ("FAILED_PRECONDITION", "DEMOTION_RUNNING", "plan_id")
        call = stub.StartDemotion
        assert failure(lambda: call(other, timeout=5, metadata=service.metadata)) == wanted
        again = call(start, timeout=5, metadata=service.metadata).data
        assert (again.run_id, again.started) == (run.run_id, run.started)

        rules = [
            rule_books_pb2.NewRule(vip_level=0, name="a", down_point=0, up_point=500),
            rule_books_pb2.NewRule(vip_level=3, name="b", down_point=500, up_point=900),
        ]
        replace_rules = rule_books_pb2.ReplaceRulesRequest(rules=rules, expected_version=1)
        RuleBooksStub(service.channel).ReplaceRules(
            replace_rules, timeout=5, metadata=service.metadata
        )
        (stopped,) = stopped_runs(service)
        assert (stopped.run_id, stopped.HasField("stopped_by")) == (planned.plan_id, False)
        assert RuleBook(store).book().version == 2
        # 600 points earn level 3 now, so whoever was not reached keeps it.
        levels = {service.show(f"due-{number}").data.level for number in range(0, 1_000, 100)}
        assert levels <= {1, 3}
        again = call(start, timeout=5, metadata=service.metadata).data
        assert again == stopped


def stopped_runs(service: Service) -> list[pb.DemotionRun]:
    stub = DemotionStub(service.channel)
    request = pb.ListDemotionRunsRequest()

    def runs() -> list[pb.DemotionRun]:
        reply = stub.ListDemotionRuns(request, timeout=5, metadata=service.metadata)
        return list(reply.data.runs)

    until(lambda: runs()[0].state == STOPPED, "the run stops")
    return runs()


def test_a_run_is_stopped_through_the_other_instance(address: str, tmp_path: Path) -> None:
    demo = prepare(address)
    with (
        running_service(address, tmp_path / "1.log") as first,
        running_service(address, tmp_path / "2.log") as second,
    ):
        for service in (first, second):
            service.token = demo.token
            service.wait_for("SERVING")
        import_rows(first, due(1_000))
        planned = plan(first)
        start = pb.StartDemotionRequest(plan_id=planned.plan_id, rate=50)
        DemotionStub(first.channel).StartDemotion(start, timeout=5, metadata=first.metadata)
        stop = pb.StopDemotionRequest(run_id=planned.plan_id)
        asked = DemotionStub(second.channel).StopDemotion(stop, timeout=5, metadata=second.metadata)
        assert asked.data.stopped_by == "demo"
        (run,) = stopped_runs(second)
        assert (run.run_id, run.stopped_by, run.rate) == (planned.plan_id, "demo", 50)
        assert run.members < 1_000
        assert plan(first).members == 1_000 - run.members
