"""A demotion re-evaluates users in small steps, by the same rule as the ladder."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.rules.ladder import ABOVE_ALL_POINTS, Ladder, Rule
from services.rules.thresholds import DEMOTION_THRESHOLD
from services.store.scripts import NamedValues
from services.store.store import Store
from services.user_state.bulk import BATCH, BulkUsers, Demoted
from services.user_state.history import Kind, changes_of
from services.user_state.record import Source
from services.user_state.rows import Row
from services.user_state.state import UserState
from tests.support.ladders import ladders
from tests.support.levels import (
    BUCKETS,
    LADDER,
    NOW,
    THRESHOLDS,
    demotion_thresholds_of,
    found,
    index_of,
    same_bucket,
    started,
    thresholds_of,
)

BUCKET = BUCKETS.of("u")
# A ladder without a rule for level 3 but with one above it.
HIGHER = LADDER.without(4).put(Rule(9, 5, "", 1400, 2000))


def demote(
    bulk: BulkUsers, ladder: Ladder = LADDER, lost: Iterable[int] = (), run: str = "run"
) -> Demoted:
    """One step in the bucket of all users here. The rules of the levels `lost` were deleted."""
    (only,) = bulk.demote(
        [BUCKET], thresholds_of(ladder), demotion_thresholds_of(ladder, lost), run, "app"
    )
    return only


def test_a_demotion_goes_to_the_level_of_the_points_and_not_one_step(
    users: UserState, bulk: BulkUsers
) -> None:
    started(users, "u", 1500)
    users.set_points("u", 100, THRESHOLDS)
    assert demote(bulk).now == 1
    record = found(users, "u")
    assert (record.level, record.points) == (0, 100)
    assert demote(bulk).now == 0


def test_a_demotion_never_raises_a_level(users: UserState, bulk: BulkUsers) -> None:
    started(users, "u", 100)
    users.set_manually("u", 0, "p", NOW - 1)
    users.set_points("u", 400, THRESHOLDS)
    easier = Ladder([Rule(1, 0, "a", 0, 10), Rule(2, 1, "b", 10, 800)])
    demote(bulk, easier)
    record = found(users, "u")
    assert (record.level, record.source) == (0, Source.EARNED)


@pytest.mark.parametrize(("protected_until", "level"), [(NOW - 1, 1), (NOW, 1), (NOW + 1, 3)])
def test_a_manual_level_falls_when_its_protection_has_ended(
    users: UserState, bulk: BulkUsers, protected_until: int, level: int
) -> None:
    started(users, "u", 600)
    users.set_manually("u", 3, "p", protected_until)
    demote(bulk)
    assert found(users, "u").level == level


def test_a_manual_level_that_the_points_earn_becomes_an_earned_one(
    users: UserState, bulk: BulkUsers, store: Store
) -> None:
    started(users, "u", 600)
    users.set_manually("u", 1, "p", NOW)
    assert demote(bulk).now == 1
    record = found(users, "u")
    assert (record.level, record.source, record.protected_until) == (1, Source.EARNED, 0)
    assert index_of(store, "u") == {"level:1": 600}
    # The change names no rule, because only the protection ended.
    assert changes_of(record)[0].rule == 0
    assert demote(bulk).now == 0


@pytest.mark.parametrize(
    ("points", "rules", "level", "rule"),
    [
        # The rule of level 3, which began at 1200, was deleted.
        (1500, LADDER.without(4), 1, 2),  # no points keep a level above all rules
        (1500, LADDER.without(4).without(2), 0, 1),
        (1500, HIGHER, 3, None),  # the points would keep even the level above
        (1399, HIGHER, 1, 2),
        (1500, Ladder([Rule(9, 3, "", 0, 10)]), 3, None),  # the lowest
        (1500, Ladder([Rule(9, 4, "", 0, 10)]), 3, None),  # below the lowest: never raised
    ],
)
def test_users_of_a_deleted_rule_fall_to_the_level_of_their_points(
    users: UserState, bulk: BulkUsers, points: int, rules: Ladder, level: int, rule: int | None
) -> None:
    started(users, "u", 1500)
    users.set_points("u", points, THRESHOLDS)
    assert demote(bulk, rules, {3}).now == (0 if rule is None else 1)
    record = found(users, "u")
    assert (record.level, record.points) == (level, points)
    change = changes_of(record)[0]
    if rule is not None:
        assert (change.kind, change.rule, change.rule_version) == (Kind.DEMOTED, rule, 7)
    assert demote(bulk, rules, {3}).now == 0


def test_a_protected_manual_level_outlives_its_rule(users: UserState, bulk: BulkUsers) -> None:
    for user, until in zip(same_bucket(2), (NOW, NOW + 1), strict=True):
        started(users, user, 600)
        users.set_manually(user, 3, "p", until)
    assert demote(bulk, LADDER.without(4), {3}).now == 1
    assert [found(users, user).level for user in same_bucket(2)] == [1, 3]


def test_users_of_any_number_of_deleted_rules_are_found(
    users: UserState, bulk: BulkUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first and the last level have more users than one step re-evaluates.
    levels = range(10, 2_000)
    names = same_bucket(BATCH + 5)
    rows = [Row(user, 600, levels[-(n % 2)]) for n, user in enumerate(names)]
    bulk.write(rows, THRESHOLDS)
    asked: list[int] = []
    demote_many = bulk._scripts.demote.many

    def noted(calls: Sequence[NamedValues]) -> list[Any]:
        asked.extend(len(call["demotion_thresholds"]) // DEMOTION_THRESHOLD.size for call in calls)
        return demote_many(calls)

    monkeypatch.setattr(bulk._scripts.demote, "many", noted)
    assert demote(bulk, LADDER, levels) == (BATCH, BATCH)
    assert demote(bulk, LADDER, levels) == (5, BATCH + 5)
    assert demote(bulk, LADDER, levels) == (0, BATCH + 5)
    assert {found(users, user).level for user in names} == {1}
    # The time of one script is bounded: each level takes about a microsecond.
    assert max(asked) <= 250


def test_users_with_just_enough_points_are_not_found_again_and_again(
    users: UserState, bulk: BulkUsers
) -> None:
    # If a full batch of them were found again, the run would never end.
    names = same_bucket(BATCH + 1)
    bulk.write([Row(user, 1200, 3) for user in names], THRESHOLDS)
    versions = [found(users, user).version for user in names]
    assert demote(bulk).now == 0
    assert demote(bulk, HIGHER, {3}).now == BATCH
    bulk.write([Row(user, 1400, 3) for user in names], THRESHOLDS)
    assert demote(bulk, HIGHER, {3}).now == 0
    assert all(found(users, user).version > old for user, old in zip(names, versions, strict=True))


def test_without_rules_no_user_is_demoted(users: UserState, bulk: BulkUsers) -> None:
    started(users, "u", 1500)
    users.set_points("u", 0, THRESHOLDS)
    users.set_manually("v", 3, "p", NOW)
    assert demote(bulk, Ladder(), {0, 1, 3}) == (0, 0)


def test_a_bucket_is_demoted_in_batches_and_each_user_is_counted_once(
    users: UserState, bulk: BulkUsers
) -> None:
    for user in same_bucket(BATCH + 5):
        started(users, user, 1500)
        users.set_points(user, 0, THRESHOLDS)
    assert demote(bulk) == (BATCH, BATCH)
    assert demote(bulk) == (5, BATCH + 5)
    # A process that continues the run after a crash gets the whole count.
    assert demote(bulk) == (0, BATCH + 5)
    assert bulk.demoted_by("run") == BATCH + 5
    assert bulk.demoted_by("another") == 0
    started(users, "u", 1500)
    users.set_points("u", 0, THRESHOLDS)
    assert demote(bulk, run="another") == (1, 1)
    assert (bulk.demoted_by("run"), bulk.demoted_by("another")) == (0, 1)


@settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(ladder=ladders(max_point=10_000), high=st.integers(0, 12_000), low=st.integers(0, 12_000))
def test_the_scripts_find_the_same_level_for_points_as_the_ladder(
    users: UserState, bulk: BulkUsers, ladder: Ladder, high: int, low: int
) -> None:
    thresholds = thresholds_of(ladder)
    users.delete("u")
    before = started(users, "u", max(high, low), thresholds)
    assert before.level == ladder.level_for(max(high, low))
    users.set_points("u", min(high, low), thresholds)
    demote(bulk, ladder)
    assert found(users, "u").level == ladder.level_for(min(high, low))
    bulk.write([Row("u", max(high, low))], thresholds)
    assert found(users, "u").level == ladder.level_for(max(high, low))


@settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    ladder=ladders(max_point=60),
    level=st.integers(0, 55),
    points=st.one_of(st.integers(0, 70), st.just(ABOVE_ALL_POINTS - 1)),
)
def test_the_script_demotes_from_any_level_by_the_same_rule_as_the_ladder(
    users: UserState, bulk: BulkUsers, ladder: Ladder, level: int, points: int
) -> None:
    """For any level, with a rule or without one; and no user is due twice."""
    bulk.write([Row("u", points, level)], THRESHOLDS)
    is_due = points < ladder.points_to_keep(level)
    assert demote(bulk, ladder, range(56)).now == is_due
    assert found(users, "u").level == (ladder.level_for(points) if is_due else level)
    assert demote(bulk, ladder, range(56)).now == 0
