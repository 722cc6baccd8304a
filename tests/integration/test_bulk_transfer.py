"""Imports, exports and restored archives of many users."""

from typing import Any

import pytest

from services.store.store import Store
from services.user_state import bulk as bulk_users
from services.user_state import history
from services.user_state.bulk import BulkUsers
from services.user_state.history import changes_of
from services.user_state.indexes import BUCKETS_AT_A_TIME
from services.user_state.record import Source
from services.user_state.rows import Row
from services.user_state.state import UserState
from tests.support.levels import (
    BUCKETS,
    NOW,
    THRESHOLDS,
    found,
    index_of,
    same_bucket,
    started,
)

BUCKET = BUCKETS.of("u")


def test_an_import_makes_users_equal_to_the_rows(
    users: UserState, bulk: BulkUsers, store: Store
) -> None:
    rows = [
        Row("new", 600),
        Row("level", 5, 3),
        Row("hand", 7, 1, Source.MANUAL, NOW + 5, "伙伴"),
        Row("old", 900),
    ]
    started(users, "old", 5000)
    assert bulk.write(rows, THRESHOLDS, "app") == 4
    new, level, hand, old = (found(users, row.user) for row in rows)
    assert (new.level, new.points, new.source) == (1, 600, Source.EARNED)
    assert (level.level, level.points) == (3, 5)
    assert (hand.level, hand.source, hand.protected_until, hand.partner) == (
        1,
        Source.MANUAL,
        NOW + 5,
        "伙伴",
    )
    assert (old.level, old.points) == (1, 900)
    assert index_of(store, "hand") == {"manual": NOW + 5, "hand:1": 7}
    assert index_of(store, "old") == {"level:1": 900}


def test_a_repeated_import_changes_nothing(users: UserState, bulk: BulkUsers) -> None:
    rows = [Row("u", 600), Row("hand", 7, 1, Source.MANUAL, NOW + 5, "p")]
    bulk.write(rows, THRESHOLDS)
    before = [users.get(row.user) for row in rows]
    assert bulk.write(rows, THRESHOLDS) == 0
    assert [users.get(row.user) for row in rows] == before


def test_the_later_of_two_rows_for_one_user_counts(users: UserState, bulk: BulkUsers) -> None:
    bulk.write([Row("u", 600), Row("u", 5)], THRESHOLDS)
    assert found(users, "u").points == 5


def test_an_imported_user_keeps_its_history_and_a_rising_version(
    users: UserState, bulk: BulkUsers
) -> None:
    started(users, "u", 600)
    record = found(users, "u")
    users.delete("u")
    brought = history.pack(changes_of(record))
    bulk.write([Row("u", 600, 1, version=10**9, history=brought)], THRESHOLDS, "app")
    imported = found(users, "u")
    assert imported.version == 10**9 + 1
    kept = changes_of(imported)
    assert kept[0].before == kept[0].after
    assert kept[1:] == [kept[1], *changes_of(record)[1:]]
    assert kept[1].version == 10**9


def test_versions_keep_rising_after_an_older_archive_is_restored(
    users: UserState, bulk: BulkUsers
) -> None:
    before = started(users, "u", 600).version
    users.delete("u")
    bulk.restore([], 1)
    assert users.initialise("u", THRESHOLDS.levels[0], 7).version > before
    users.delete("u")
    bulk.restore([], 1_000)
    assert users.initialise("u", THRESHOLDS.levels[0], 7).version == 1_001


@pytest.mark.parametrize("page", [1_000, 8])
def test_an_export_yields_each_user_once_in_name_order(
    users: UserState, bulk: BulkUsers, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(bulk_users, "_PAGE", page)
    monkeypatch.setattr(bulk_users, "_SPANS_AT_A_TIME", page)
    names, other = same_bucket(30), "v"
    for position, user in enumerate([*names, other]):
        started(users, user, position * 60)
    for user in names[3:6]:
        users.set_manually(user, 0, "p", NOW)
    buckets = [BUCKET, BUCKETS.of(other), BUCKETS.of("nobody")]
    exported = list(bulk.users(buckets, [0, 1, 3]))
    order = [(BUCKET, user) for user in sorted(names)] + [(BUCKETS.of(other), other)]
    assert [(bucket, user) for bucket, user, _ in exported] == order
    assert all(users.get(user) == record for _, user, record in exported)
    after = sorted(names)[9]
    rest = [user for _, user, _ in bulk.users(buckets, [0, 1, 3], after)]
    assert rest == [*sorted(names)[10:], other]


def test_an_export_misses_no_user_who_moves_meanwhile(
    users: UserState, bulk: BulkUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = same_bucket(8)
    for user in names:
        started(users, user, 5)
    pages, moving = bulk.indexes.pages, iter(names)

    def pages_while_one_moves(*arguments: Any) -> Any:
        found = pages(*arguments)
        for user in moving:
            # The user moves from an index that is still to be read into one that was read.
            users.set_manually(user, 3, "p", NOW)
            users.delete(names[0])
            break
        return found

    monkeypatch.setattr(bulk.indexes, "pages", pages_while_one_moves)
    monkeypatch.setattr(bulk_users, "_SPANS_AT_A_TIME", 1)
    exported = [user for _, user, _ in bulk.users([BUCKET], [3, 1, 0])]
    assert exported == sorted(names[1:])


def test_an_export_of_few_users_makes_one_round_trip_for_many_buckets(
    bulk: BulkUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    pages = bulk.indexes.pages

    def counted(places: Any, limit: int) -> Any:
        asked.append(len(places))
        return pages(places, limit)

    monkeypatch.setattr(bulk.indexes, "pages", counted)
    list(bulk.users(BUCKETS.all()[:BUCKETS_AT_A_TIME], [0, 1, 3]))
    assert asked == [BUCKETS_AT_A_TIME]
