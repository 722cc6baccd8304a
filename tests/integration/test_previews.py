"""A preview counts in the indexes who would move under other rules."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.member_level import preview
from services.rules.ladder import Ladder, Rule
from services.user_state.bulk import BulkUsers
from services.user_state.rows import Row
from services.user_state.state import UserState
from tests.support.ladders import ladders
from tests.support.levels import (
    BUCKETS,
    NOW,
    demotion_thresholds_of,
    found,
    go_on,
    started,
    thresholds_of,
)

POPULATION = {"a": 0, "b": 499, "c": 500, "d": 799, "e": 900, "f": 1200, "g": 5000}


@pytest.mark.stores("valkey", "cluster")
def test_a_preview_counts_who_would_move_and_changes_nothing(
    users: UserState, bulk: BulkUsers
) -> None:
    for user, points in POPULATION.items():
        started(users, user, points)
    # One rises to 3, the other one stays at 3, whatever its points.
    for user, points, level in (("hand", 1500, 1), ("other-hand", 0, 3)):
        started(users, user, points)
        users.set_manually(user, level, "p", NOW + 9)
    records = {user: users.get(user) for user in POPULATION}
    # b rises to 1, d falls to 0 as level 1 begins at 800, f falls to 1.
    stricter = Ladder(
        [Rule(1, 0, "", 0, 499), Rule(2, 1, "", 800, 1300), Rule(4, 3, "", 1300, 1400)]
    )
    asked = preview.preview_rules(stricter, {0, 1, 3})
    counts = asked.counts(bulk.indexes.count(asked.question, go_on))
    assert asked.moves(counts) == [(1, 0, 2), (1, 3, 1), (3, 1, 1)]
    assert asked.staying(counts) == 5
    assert {user: users.get(user) for user in POPULATION} == records


@pytest.mark.stores("valkey")
@settings(
    max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    old=ladders(max_point=60),
    new=ladders(max_point=60),
    points=st.lists(st.integers(0, 70), max_size=12),
)
def test_a_preview_predicts_what_then_happens(
    users: UserState, bulk: BulkUsers, old: Ladder, new: Ladder, points: list[int]
) -> None:
    names = [f"m{number}" for number in range(len(points))]
    bulk.write(
        [Row(name, total) for name, total in zip(names, points, strict=True)], thresholds_of(old)
    )
    before = {name: found(users, name).level for name in names}
    levels = {rule.level for rule in (*old.rules, *new.rules)}
    asked = preview.preview_rules(new, levels)
    buckets = {BUCKETS.of(name) for name in names}
    predicted = asked.moves(asked.counts(bulk.indexes.count(asked.question, go_on, buckets)))
    demotion_thresholds = demotion_thresholds_of(new, levels)
    fall = preview.preview_demotion(new, demotion_thresholds)
    planned = fall.moves(fall.counts(bulk.indexes.count(fall.question, go_on, buckets)))
    bulk.demote(buckets, thresholds_of(new), demotion_thresholds, "run")
    fallen: dict[tuple[int, int], int] = {}
    for name in names:
        pair = (before[name], found(users, name).level)
        if pair[0] != pair[1]:
            fallen[pair] = fallen.get(pair, 0) + 1
    for name, total in zip(names, points, strict=True):
        # Points that change rise to what they earn: one more and back.
        users.set_points(name, total + 1, thresholds_of(Ladder()))
        users.set_points(name, total, thresholds_of(new))
    moved: dict[tuple[int, int], int] = {}
    for name in names:
        pair = (before[name], found(users, name).level)
        if pair[0] != pair[1]:
            moved[pair] = moved.get(pair, 0) + 1
        users.delete(name)
    assert predicted == [(*pair, count) for pair, count in sorted(moved.items())]
    assert planned == [(*pair, count) for pair, count in sorted(fallen.items())]
