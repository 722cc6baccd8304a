"""Import, export and previews through a real service."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from levelgate.member.v1 import member_bulk_pb2, member_history_pb2, member_level_pb2
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from services.user_state.record import MAX_IMPORTED_VERSION, MAX_VERSION
from tests.support.levels import same_bucket
from tests.support.member_calls import Row, exported, failure, import_rows
from tests.support.service import Service

pytestmark = pytest.mark.stores("valkey")


def test_invalid_rows_are_reported_and_the_others_are_imported(member: Service) -> None:
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
        Row(user_id="version", points=1, version=MAX_IMPORTED_VERSION + 1),
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


@pytest.mark.stores("valkey", "cluster")
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


def test_versions_continue_after_the_highest_imported_one(
    member: Service,
) -> None:
    user, other = same_bucket(2)
    reply = import_rows(member, [Row(user_id=user, points=1, version=MAX_IMPORTED_VERSION)])
    assert (reply.written, reply.rejected) == (1, 0)
    version = MAX_IMPORTED_VERSION + 1
    request = member_level_pb2.AddPointsRequest(
        user_id=user, delta=1, bill_no="b", expected_version=version
    )
    added = member.members.AddPoints(request, timeout=5, metadata=member.metadata)
    assert added.data.version == version + 1 <= MAX_VERSION
    member.members.InitUser(
        member_level_pb2.InitUserRequest(user_id=other), timeout=5, metadata=member.metadata
    )
    rows = {row.user_id: row.version for row in exported(member)}
    assert (rows[user], rows[other]) == (version + 1, version + 2)


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


def test_rows_with_the_longest_texts_in_their_history_are_exported(member: Service) -> None:
    """A client accepts messages of 4 MiB, and 500 such rows would be larger."""
    state = member_history_pb2.LevelState(level=3, points=1_500, by_hand=True)
    both: dict[str, Any] = {"from": state, "to": state}
    changes = [
        member_history_pb2.Change(
            version=version,
            previous_version=version - 1,
            time=Timestamp(seconds=1_700_000_000),
            kind=member_history_pb2.CHANGE_KIND_POINTS_SET,
            **both,
            app="🎮" * 128,
            partner_id="🎮" * 128,
        )
        for version in range(20, 12, -1)
    ]
    rows = [
        Row(
            user_id=f"{n:04}{'🎮' * 124}",
            points=1_500,
            level=3,
            by_hand=True,
            partner_id="🎮" * 128,
            protected_until=Timestamp(seconds=2_000_000_000),
            version=20,
            history=changes,
        )
        for n in range(600)
    ]
    for start in range(0, 600, 50):
        assert import_rows(member, rows[start : start + 50]).written == 50
    back = exported(member, with_history=True)
    assert sum(len(row.history) == 8 for row in back) == 600


def test_a_preview_of_the_maximum_of_rules_counts_every_member(member: Service) -> None:
    rules = [
        member_level_pb2.ProposedRule(vip_level=n, down_point=2 * n, up_point=2 * n + 2)
        for n in range(100)
    ]
    request = member_level_pb2.PreviewRulesRequest(rules=rules)
    reply = member.members.PreviewRules(request, timeout=30, metadata=member.metadata)
    moved = sum(move.members for move in reply.data.moves)
    assert moved + reply.data.staying == len(exported(member))


@pytest.mark.stores("valkey", "cluster")
def test_an_export_continues_from_its_cursor(member: Service) -> None:
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
