"""Watch, demotion, import and export through a real service, on a single node and on a cluster."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from levelgate.member.v1 import demotion_pb2, member_bulk_pb2, member_history_pb2, member_level_pb2
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from operations.demo import prepare
from services.access.apps import Apps
from services.access.tokens import Tokens
from services.store.keys import DEMOTION, Buckets
from services.store.settings import StoreSettings
from services.store.store import Store
from services.user_state.state import UserState
from tests.stack.waiting import until
from tests.support.service import Service, running_service

Row = member_bulk_pb2.UserRow


@pytest.fixture
def address(any_store: StoreSettings, store: Store) -> str:
    """Where the store is, once it is empty."""
    store.ping()
    return any_store.url.get_secret_value()


@pytest.fixture
def member(address: str, tmp_path: Path) -> Iterator[Service]:
    demo = prepare(address)
    with running_service(address, tmp_path / "service.log") as service:
        service.token = demo.token
        service.wait_for("SERVING")
        yield service


def watched(service: Service, cursor: str, count: int) -> tuple[list[Any], str]:
    """The next changes behind the cursor, at least so many, and the cursor behind them."""
    request = member_history_pb2.WatchLevelsRequest(cursor=cursor)
    stream = MemberHistoryStub(service.channel).WatchLevels(
        request, timeout=20, metadata=service.metadata
    )
    changes: list[Any] = []
    for message in stream:
        changes += message.changes
        cursor = message.cursor
        if len(changes) >= count:
            break
    stream.cancel()
    return changes, cursor


def upgrade(service: Service, user: str, point: int) -> None:
    request = member_level_pb2.UpgradeUserRequest(user_id=user, point=point)
    service.members.UpgradeUser(request, timeout=5, metadata=service.metadata)


def import_rows(service: Service, rows: Sequence[Row]) -> member_bulk_pb2.ImportUsersResponse:
    messages = [
        member_bulk_pb2.ImportUsersRequest(users=rows[n : n + 500])
        for n in range(0, len(rows), 500)
    ]
    return MemberBulkStub(service.channel).ImportUsers(
        iter(messages), timeout=60, metadata=service.metadata
    )


def exported(service: Service, **options: Any) -> list[Row]:
    request = member_bulk_pb2.ExportUsersRequest(**options)
    stream = MemberBulkStub(service.channel).ExportUsers(
        request, timeout=60, metadata=service.metadata
    )
    return [row for message in stream for row in message.users]


def failure(call: Callable[[], object]) -> tuple[str, str, str]:
    """Code, reason and first field of a call that fails."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    status = rpc_status.from_call(cast(grpc.Call, raised.value))
    assert status is not None
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(request)
    field = request.field_violations[0].field if request.field_violations else ""
    return raised.value.code().name, info.reason, field


def test_a_watch_starts_now_and_goes_on_from_a_cursor_without_gaps_or_repeats(
    member: Service,
) -> None:
    _, cursor = watched(member, "", 0)
    seen: list[tuple[str, int]] = []
    for point in range(1, 31):
        upgrade(member, "42", point)
        if point % 10 == 0:
            # Reconnects each time, with the cursor of the message that came last.
            changes, cursor = watched(member, cursor, 10)
            seen += [(each.user_id, each.change.to.points) for each in changes]
    assert seen == [("42", point) for point in range(1, 31)]


def test_a_watch_sees_a_change_while_it_waits(member: Service) -> None:
    _, cursor = watched(member, "", 0)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(watched(member, cursor, 1)[0]))
    thread.start()
    upgrade(member, "42", 600)
    thread.join(20)
    (only,) = found
    assert (only.user_id, only.change.to.level, only.change.rule_id) == ("42", 1, 2)


@pytest.mark.parametrize("cursor", ["nonsense", "w", "wAAAA", "e" + "A" * 40, "w" * 70_000])
def test_a_wrong_cursor_is_refused(member: Service, cursor: str) -> None:
    wanted = ("INVALID_ARGUMENT", "CURSOR_INVALID", "cursor")
    assert failure(lambda: watched(member, cursor, 1)) == wanted
    assert failure(lambda: exported(member, cursor=cursor)) == wanted


def test_a_cursor_of_changes_that_are_no_longer_kept_has_expired(
    member: Service, store: Store
) -> None:
    _, cursor = watched(member, "", 0)
    upgrade(member, "42", 1)
    upgrade(member, "42", 2)
    store.register_script("return redis.call('XTRIM', KEYS[1], 'MAXLEN', 1)")(
        [Buckets().of("42").feed]
    )
    assert failure(lambda: watched(member, cursor, 1)) == (
        "OUT_OF_RANGE",
        "CURSOR_EXPIRED",
        "cursor",
    )


def test_a_cursor_from_the_future_is_of_another_store(member: Service, store: Store) -> None:
    upgrade(member, "42", 1)
    _, cursor = watched(member, "", 0)
    store.set(Buckets().of("42").versions, 0)
    assert failure(lambda: watched(member, cursor, 1))[1] == "CURSOR_INVALID"


def test_streams_beyond_the_limit_are_refused_and_the_other_calls_are_not(
    address: str, tmp_path: Path
) -> None:
    demo = prepare(address)
    with running_service(
        address, tmp_path / "log", MEMBER_LEVEL_STREAMS="2", MEMBER_LEVEL_THREADS="1"
    ) as service:
        service.token = demo.token
        service.wait_for("SERVING")
        stub = MemberHistoryStub(service.channel)
        request = member_history_pb2.WatchLevelsRequest()
        open_ = [stub.WatchLevels(request, timeout=30, metadata=service.metadata) for _ in range(2)]
        for stream in open_:
            next(stream)
        refused = failure(lambda: watched(service, "", 1))
        assert refused == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS", "")
        assert service.show().data.level == 5
        open_[0].cancel()
        until(lambda: _is_free(service), "a free stream")


def _is_free(service: Service) -> bool:
    try:
        return watched(service, "", 0)[1] != ""
    except grpc.RpcError:
        return False


def plan(service: Service, **options: Any) -> demotion_pb2.DemotionPlan:
    request = demotion_pb2.PlanDemotionRequest(**options)
    return (
        DemotionStub(service.channel)
        .PlanDemotion(request, timeout=20, metadata=service.metadata)
        .data
    )


def run(service: Service, plan_id: str) -> list[Any]:
    request = demotion_pb2.RunDemotionRequest(plan_id=plan_id)
    return list(
        DemotionStub(service.channel).RunDemotion(request, timeout=60, metadata=service.metadata)
    )


DONE = demotion_pb2.RunDemotionResponse.STATE_DONE


def due(count: int) -> list[Row]:
    """Members at level 3 whose points earn level 1."""
    return [Row(user_id=f"due-{number}", points=600, level=3) for number in range(count)]


def test_a_run_does_what_its_plan_said_and_tells_how_it_goes(member: Service) -> None:
    import_rows(member, due(500))
    planned = plan(member, sample_size=3)
    assert [(move.from_level, move.to_level, move.members) for move in planned.moves] == [
        (3, 1, 500)
    ]
    assert planned.members == 500
    assert {(each.from_level, each.to_level, each.points) for each in planned.sample} == {
        (3, 1, 600)
    }
    told = run(member, planned.plan_id)
    assert (told[-1].state, told[-1].members, told[-1].percent) == (DONE, 500, 100)
    percents = [each.percent for each in told]
    assert percents == sorted(percents)
    assert member.show("due-7").data.level == 1
    # The plan was run: it says how it ended, and does nothing more.
    assert [(each.state, each.members) for each in run(member, planned.plan_id)] == [(DONE, 500)]
    assert plan(member).members == 0


def test_a_run_by_leveldown_and_a_plan_that_comes_after(member: Service) -> None:
    import_rows(member, due(50))
    first = plan(member)
    request = member_level_pb2.LevelDownRequest()
    assert member.members.LevelDown(request, timeout=30, metadata=member.metadata).data == "success"
    assert member.show("due-7").data.level == 1
    told = run(member, first.plan_id)
    assert (told[-1].state, told[-1].members) == (DONE, 0)


def test_a_plan_under_other_rules_is_stale(member: Service) -> None:
    planned = plan(member)
    request = member_level_pb2.DeleteRuleRequest(id=6)
    member.members.DeleteRule(request, timeout=5, metadata=member.metadata)
    wanted = ("FAILED_PRECONDITION", "PLAN_STALE", "plan_id")
    assert failure(lambda: run(member, planned.plan_id)) == wanted


def test_a_foreign_plan_is_not_found(member: Service, store: Store) -> None:
    wanted = ("NOT_FOUND", "PLAN_NOT_FOUND", "plan_id")
    assert failure(lambda: run(member, "nobodys")) == wanted
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
    pair = Tokens(store, apps).issue(app)
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
    wanted = ("FAILED_PRECONDITION", "DEMOTION_RUNNING", "plan_id")
    assert failure(lambda: run(member, planned.plan_id)) == wanted


def test_a_leveldown_that_outlives_its_caller_answers_success_and_goes_on(
    address: str, tmp_path: Path
) -> None:
    demo = prepare(address)
    settings = {"MEMBER_LEVEL_DEMOTION_RATE": "200"}
    with running_service(address, tmp_path / "log", **settings) as service:
        service.token = demo.token
        service.wait_for("SERVING")
        import_rows(service, due(600))
        request = member_level_pb2.LevelDownRequest()
        reply = service.members.LevelDown(request, timeout=1.5, metadata=service.metadata)
        assert reply.data == "success"
        # At 200 a second not even half of them can be done by now.
        left = plan(service).members
        assert 200 < left < 600
        # Joins the run.
        service.members.LevelDown(request, timeout=30, metadata=service.metadata)
        assert plan(service).members == 0


def test_a_run_outlives_the_instance_that_drives_it(
    address: str, store: Store, tmp_path: Path
) -> None:
    demo = prepare(address)
    settings = {"MEMBER_LEVEL_DEMOTION_RATE": "500"}
    with (
        running_service(address, tmp_path / "1.log", **settings) as first,
        running_service(address, tmp_path / "2.log", **settings) as second,
    ):
        for service in (first, second):
            service.token = demo.token
            service.wait_for("SERVING")
        import_rows(first, due(2_000))
        planned = plan(first)
        stub = DemotionStub(second.channel)
        request = demotion_pb2.RunDemotionRequest(plan_id=planned.plan_id)
        told = []
        for progress in stub.RunDemotion(request, timeout=60, metadata=second.metadata):
            told.append(progress)
            if len(told) == 3:
                driver = store.get("lg:{demotion}:driver")
                assert driver is not None
                # Whoever drives it dies; if it is the one we listen to, the other one goes on too.
                first.process.kill()
        assert (told[-1].state, told[-1].members) == (DONE, 2_000)
        users = UserState(store)
        assert {users.get(f"due-{n}").level for n in range(2_000)} == {1}  # type: ignore[union-attr]


def test_a_run_never_demotes_who_was_raised_meanwhile(address: str, tmp_path: Path) -> None:
    demo = prepare(address)
    with running_service(address, tmp_path / "log", MEMBER_LEVEL_DEMOTION_RATE="1000") as service:
        service.token = demo.token
        service.wait_for("SERVING")
        import_rows(service, due(1_000))
        planned = plan(service)
        raised = [f"due-{number}" for number in range(0, 1_000, 50)]
        for user in raised:
            upgrade(service, user, 1_500)
        told = run(service, planned.plan_id)
        assert told[-1].members == 1_000 - len(raised)
        assert {service.show(user).data.level for user in raised} == {3}


def test_who_is_at_risk_page_by_page(member: Service) -> None:
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


def test_nothing_is_lost_by_a_wrong_row(member: Service) -> None:
    soon = Timestamp(seconds=2_000_000_000)
    rows = [
        Row(user_id="good-1", points=600),
        Row(user_id="", points=1),
        Row(user_id="no-points"),
        Row(user_id="negative", points=-1),
        Row(user_id="no-rule", points=1, level=4),
        Row(user_id="hand", points=1, level=3, by_hand=True),
        Row(user_id="hand", points=1, level=3, by_hand=True, partner_id="p"),
        Row(user_id="hand", points=1, by_hand=True, partner_id="p", protected_until=soon),
        Row(user_id="earned", points=1, partner_id="p"),
        Row(user_id="version", points=1, version=2**51),
        Row(
            user_id="good-2", points=1, level=3, by_hand=True, partner_id="p", protected_until=soon
        ),
    ]
    reply = import_rows(member, rows)
    assert (reply.written, reply.unchanged, reply.rejected) == (2, 0, 9)
    assert [(each.position, each.field) for each in reply.rejects] == [
        (2, "user_id"),
        (3, "points"),
        (4, "points"),
        (5, "level"),
        (6, "partner_id"),
        (7, "protected_until"),
        (8, "level"),
        (9, "partner_id"),
        (10, "version"),
    ]
    assert member.show("good-2").data.level == 3
    again = import_rows(member, rows)
    assert (again.written, again.unchanged, again.rejected) == (0, 2, 9)


def test_what_is_exported_can_be_imported_with_history_and_rising_versions(member: Service) -> None:
    import_rows(member, [Row(user_id=f"m-{n}", points=n) for n in range(1_200)])
    rows = {row.user_id: row for row in exported(member, with_history=True)}
    assert len(rows) == 1_204
    for user in ("m-7", "joe", "3dfg4df"):
        request = member_level_pb2.DeleteUserRequest(user_id=user)
        member.members.DeleteUser(request, timeout=5, metadata=member.metadata)
    reply = import_rows(member, list(rows.values()))
    assert (reply.written, reply.unchanged, reply.rejected) == (3, 1_201, 0)
    back = {row.user_id: row for row in exported(member, with_history=True)}
    for user, row in rows.items():
        assert (back[user].points, back[user].level, back[user].by_hand) == (
            row.points,
            row.level,
            row.by_hand,
        )
        assert back[user].version >= row.version
    assert [each.kind for each in back["3dfg4df"].history][1:] == [
        each.kind for each in rows["3dfg4df"].history
    ]


def broken_histories(row: Row) -> Iterator[Row]:
    spoils: list[Callable[[Any], None]] = [
        lambda change: setattr(change.to, "points", change.to.points + 1),
        lambda change: setattr(change, "kind", 99),
        lambda change: setattr(change, "kind", member_history_pb2.CHANGE_KIND_DELETED),
        lambda change: setattr(change, "version", change.version + 1),
        lambda change: setattr(change, "previous_version", change.version),
        lambda change: setattr(change, "app", "x" * 129),
        lambda change: setattr(change.time, "seconds", -1),
    ]
    for spoil in spoils:
        broken = Row()
        broken.CopyFrom(row)
        spoil(broken.history[0])
        yield broken


def test_a_broken_history_is_refused(member: Service) -> None:
    (row,) = [row for row in exported(member, with_history=True) if row.user_id == "3dfg4df"]
    rows = list(broken_histories(row))
    reply = import_rows(member, rows)
    assert [each.field for each in reply.rejects] == ["history"] * len(rows)


def test_a_preview_of_the_most_rules_counts_everybody(member: Service) -> None:
    rules = [
        member_level_pb2.ProposedRule(vip_level=n, down_point=2 * n, up_point=2 * n + 2)
        for n in range(100)
    ]
    request = member_level_pb2.PreviewRulesRequest(rules=rules)
    reply = member.members.PreviewRules(request, timeout=30, metadata=member.metadata)
    moved = sum(move.members for move in reply.data.moves)
    assert moved + reply.data.staying == len(exported(member))


def test_an_export_goes_on_from_its_cursor(member: Service) -> None:
    import_rows(member, [Row(user_id=f"m-{n}", points=n) for n in range(1_200)])
    stub = MemberBulkStub(member.channel)
    stream = stub.ExportUsers(
        member_bulk_pb2.ExportUsersRequest(), timeout=60, metadata=member.metadata
    )
    first = next(stream)
    stream.cancel()
    rest = exported(member, cursor=first.cursor)
    names = [row.user_id for row in (*first.users, *rest)]
    assert len(names) == len(set(names)) == 1_204


def test_without_rules_nothing_is_imported(member: Service) -> None:
    for rule in (1, 2, 3, 4, 6):
        request = member_level_pb2.DeleteRuleRequest(id=rule)
        member.members.DeleteRule(request, timeout=5, metadata=member.metadata)
    wanted = ("FAILED_PRECONDITION", "NO_RULES", "")
    assert failure(lambda: import_rows(member, [Row(user_id="a", points=1)])) == wanted


def test_a_service_that_goes_down_ends_its_watches(member: Service) -> None:
    stub = MemberHistoryStub(member.channel)
    stream = stub.WatchLevels(
        member_history_pb2.WatchLevelsRequest(), timeout=30, metadata=member.metadata
    )
    next(stream)
    member.process.terminate()
    assert failure(lambda: next(stream))[0] == "UNAVAILABLE"
    assert member.process.wait(15) == 0
