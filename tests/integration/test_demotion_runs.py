"""Demotions through a real service: plans, runs that outlive their caller, one run at a time."""

from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from levelgate.member.v1 import demotion_pb2, member_level_pb2
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from operations.commands.demo import prepare
from services.access.apps import Apps
from services.access.tokens import Tokens
from services.store.keys import DEMOTION, DEMOTION_LEASE
from services.store.store import Store
from services.user_state.state import UserState
from tests.support.levels import BUCKETS
from tests.support.member_calls import DONE, Row, due, failure, import_rows, plan, run, upgrade
from tests.support.service import Service, running_service

pytestmark = pytest.mark.stores("valkey")


@pytest.mark.stores("valkey", "cluster")
def test_a_run_does_what_its_plan_said_and_reports_its_progress(member: Service) -> None:
    import_rows(member, due(500))
    planned = plan(member, sample_size=3)
    assert [(move.from_level, move.to_level, move.members) for move in planned.moves] == [
        (3, 1, 500)
    ]
    assert planned.members == 500
    assert {(each.from_level, each.to_level, each.points) for each in planned.sample} == {
        (3, 1, 600)
    }
    reports = run(member, planned.plan_id)
    assert (reports[-1].state, reports[-1].members, reports[-1].percent) == (DONE, 500, 100)
    percents = [each.percent for each in reports]
    assert percents == sorted(percents)
    assert member.show("due-7").data.level == 1
    # The plan was run: a second run of it returns the result and changes nothing.
    assert [(each.state, each.members) for each in run(member, planned.plan_id)] == [(DONE, 500)]
    assert plan(member).members == 0
    # This is also true after another run.
    request = member_level_pb2.LevelDownRequest()
    member.members.LevelDown(request, timeout=30, metadata=member.metadata)
    assert [(each.state, each.members) for each in run(member, planned.plan_id)] == [(DONE, 500)]


def test_a_plan_samples_members_who_lose_only_their_protection(member: Service) -> None:
    """Their points would earn a higher level, but a demotion never raises a level."""
    ended = Timestamp(seconds=1)
    row = Row(user_id="hand", points=5_000, level=1, by_hand=True, partner_id="p")
    row.protected_until.CopyFrom(ended)
    import_rows(member, [row])
    planned = plan(member)
    assert (planned.protection_ended, planned.members, list(planned.moves)) == (1, 1, [])
    (only,) = planned.sample
    assert (only.user_id, only.from_level, only.to_level) == ("hand", 1, 1)
    assert run(member, planned.plan_id)[-1].members == 1
    assert member.show("hand").data.level == 1


def test_a_plan_that_is_run_after_leveldown_finds_no_member(member: Service) -> None:
    import_rows(member, due(50))
    first = plan(member)
    request = member_level_pb2.LevelDownRequest()
    assert member.members.LevelDown(request, timeout=30, metadata=member.metadata).data == "success"
    assert member.show("due-7").data.level == 1
    reports = run(member, first.plan_id)
    assert (reports[-1].state, reports[-1].members) == (DONE, 0)


def test_a_plan_under_other_rules_is_stale(member: Service) -> None:
    planned = plan(member)
    request = member_level_pb2.DeleteRuleRequest(id=6)
    member.members.DeleteRule(request, timeout=5, metadata=member.metadata)
    wanted = ("FAILED_PRECONDITION", "PLAN_STALE", "plan_id")
    assert failure(lambda: run(member, planned.plan_id)) == wanted


def test_a_foreign_plan_is_not_found(member: Service, store: Store) -> None:
    wanted = ("NOT_FOUND", "PLAN_NOT_FOUND", "plan_id")
    assert failure(lambda: run(member, "unknown")) == wanted
    planned = plan(member)
    demo_token, member.token = member.token, other_app(store)
    assert failure(lambda: run(member, planned.plan_id)) == wanted
    member.token = demo_token
    assert run(member, planned.plan_id)[-1].state == DONE


def other_app(store: Store) -> str:
    apps = Apps(store)
    apps.create("other", ["member:demote"])
    app = apps.get("other")
    assert app is not None
    pair = Tokens(store).issue(app)
    assert pair is not None
    return pair.access_token


def test_only_one_run_at_a_time(member: Service, store: Store) -> None:
    planned = plan(member)
    store.set(
        DEMOTION,
        '{"id": "another", "app": "x", "rule_version": 99, "state": "running", "bucket": 0,'
        ' "rounds": 0, "is_more": false, "users": 0}',
    )
    store.set("lg:{demotion}:driver", "somebody", ex=20)
    in_progress = store.get(DEMOTION)
    wanted = ("FAILED_PRECONDITION", "DEMOTION_RUNNING", "plan_id")
    assert failure(lambda: run(member, planned.plan_id)) == wanted
    assert store.get(DEMOTION) == in_progress


def test_a_run_outlives_the_instance_that_carries_it_out(
    address: str, store: Store, tmp_path: Path
) -> None:
    demo = prepare(address)
    with (
        running_service(address, tmp_path / "1.log", MEMBER_LEVEL_DEMOTION_RATE="100") as first,
        running_service(address, tmp_path / "2.log") as second,
    ):
        for service in (first, second):
            service.token = demo.token
            service.wait_for("SERVING")
        import_rows(first, due(200))
        planned = plan(first)
        request = demotion_pb2.RunDemotionRequest(plan_id=planned.plan_id)
        stub = DemotionStub(first.channel)
        # The instance that is asked begins at once, the other one looks for a run each second.
        for progress in stub.RunDemotion(request, timeout=60, metadata=first.metadata):
            if progress.members:
                first.process.kill()
                first.process.wait()
                break
        assert 0 < progress.members < 200
        store.delete(DEMOTION_LEASE)  # as if it had expired
        reports = run(second, planned.plan_id)
        assert (reports[-1].state, reports[-1].members) == (DONE, 200)
        users = UserState(store, BUCKETS)
        assert {users.get(f"due-{n}").level for n in range(200)} == {1}  # type: ignore[union-attr]


def test_a_run_never_demotes_a_member_who_was_raised_meanwhile(member: Service) -> None:
    import_rows(member, due(200))
    planned = plan(member)
    raised = [f"due-{number}" for number in range(0, 200, 20)]
    for user in raised:
        upgrade(member, user, 1_500)
    reports = run(member, planned.plan_id)
    assert reports[-1].members == 200 - len(raised)
    assert {member.show(user).data.level for user in raised} == {3}


def test_members_at_risk_are_listed_page_by_page(member: Service) -> None:
    import_rows(member, [Row(user_id=f"risk-{n}", points=500 + n) for n in range(100)])
    stub, cursor, pages = DemotionStub(member.channel), "", []
    while True:
        request = demotion_pb2.ListAtRiskRequest(points=50, page_size=20, cursor=cursor)
        page = stub.ListAtRisk(request, timeout=20, metadata=member.metadata).data
        pages.append([(each.user_id, each.margin) for each in page.members])
        cursor = page.next_cursor
        if not cursor:
            break
    everybody = [each for page in pages for each in page]
    assert sorted(everybody) == sorted((f"risk-{n}", n) for n in range(50))
    assert all(len(page) == 20 for page in pages[:-1])
