"""Which users a search visits: nobody who satisfies the condition is left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rules.ladder import ABOVE_ALL_POINTS
from services.upbot_checks.compare import CompareType, Comparison
from services.upbot_checks.eligibility.condition import (
    All,
    AnyOf,
    AnyStar,
    Condition,
    GameInfo,
    LevelAtLeast,
    LevelIn,
    Not,
    Points,
    Snapshot,
)
from services.upbot_checks.eligibility.visited import (
    Intervals,
    hull,
    points_that_may_hold,
    reads_points,
)
from services.user_facts.fact import GameFact, Star
from tests.support.conditions import KEY, LEVELS, STARS, conditions

ALL: Intervals = ((0, ABOVE_ALL_POINTS),)
STAR = AnyStar(frozenset({Star(1, 1)}))
FACT = GameInfo(KEY, frozenset({"x"}))


def points(kind: CompareType, value: int, upper: int = 0) -> Condition:
    return Points(Comparison(kind, value, upper))


@pytest.mark.parametrize(
    ("condition", "level", "expected"),
    [
        (LevelIn(frozenset({3})), 3, ALL),
        (LevelIn(frozenset({3})), 1, ()),
        (LevelAtLeast(3), 5, ALL),
        (LevelAtLeast(0), None, ()),
        (Not(LevelAtLeast(0)), None, ALL),
        (Not(LevelAtLeast(3)), 5, ()),
        (STAR, 1, ALL),
        (FACT, None, ALL),
        (Not(STAR), None, ALL),
        (points(CompareType.EQUAL, 7), 1, ((7, 8),)),
        (points(CompareType.LESS, 7), 1, ((0, 7),)),
        (points(CompareType.LESS, 0), 1, ()),
        (points(CompareType.LESS_OR_EQUAL, 7), 1, ((0, 8),)),
        (points(CompareType.GREATER, 7), 1, ((8, ABOVE_ALL_POINTS),)),
        (points(CompareType.GREATER, 2**40), 1, ()),
        (points(CompareType.GREATER_OR_EQUAL, -7), 1, ALL),
        (points(CompareType.BETWEEN, 7, 9), 1, ((7, 10),)),
        (points(CompareType.BETWEEN, 7, 9), None, ()),
        (Not(points(CompareType.BETWEEN, 7, 9)), 1, ((0, 7), (10, ABOVE_ALL_POINTS))),
        (Not(points(CompareType.EQUAL, 7)), None, ALL),
        (All((STAR, LevelIn(frozenset({1, 3})), LevelAtLeast(3))), 1, ()),
        (All((STAR, LevelIn(frozenset({1, 3})), LevelAtLeast(3))), 3, ALL),
        (AnyOf((LevelIn(frozenset({1})), All((LevelIn(frozenset({3})), STAR)))), 5, ()),
        (AnyOf((points(CompareType.LESS, 5), points(CompareType.EQUAL, 5))), 1, ((0, 6),)),
        (
            AnyOf((points(CompareType.LESS, 9), points(CompareType.BETWEEN, 2, 3))),
            1,
            ((0, 9),),
        ),
        (All((points(CompareType.LESS, 9), points(CompareType.GREATER, 5))), 1, ((6, 9),)),
    ],
)
def test_points_that_may_hold(condition: Condition, level: int | None, expected: Intervals) -> None:
    assert points_that_may_hold(condition, level) == expected


users = st.builds(
    Snapshot,
    level=st.none() | st.sampled_from(LEVELS),
    points=st.integers(0, 12),
    lit=st.sets(st.sampled_from(STARS)).map(frozenset),
    games=st.sampled_from([{}, {KEY: GameFact("x", 5)}, {KEY: GameFact(None, 2)}]),
)


@given(conditions, users)
def test_nobody_who_satisfies_the_condition_is_left_out(
    condition: Condition, user: Snapshot
) -> None:
    found = points_that_may_hold(condition, user.level)
    if condition.holds(user):
        assert any(least <= user.points < before for least, before in found)
    needs = condition.needs()
    if not (needs.stars or needs.games) and user.level is not None:
        is_found = any(least <= user.points < before for least, before in found)
        assert is_found == condition.holds(user)


@given(conditions, st.none() | st.sampled_from(LEVELS))
def test_intervals_rise_and_are_disjoint(condition: Condition, level: int | None) -> None:
    bounds = [bound for each in points_that_may_hold(condition, level) for bound in each]
    assert bounds == sorted(bounds)
    assert all(0 <= bound <= ABOVE_ALL_POINTS for bound in bounds)
    if level is None:
        assert tuple(bounds) in {(), (0, ABOVE_ALL_POINTS)}


@given(conditions, users, st.integers(0, 12))
def test_points_are_read_if_they_can_decide(
    condition: Condition, user: Snapshot, other: int
) -> None:
    if not reads_points(condition):
        assert condition.holds(user) == condition.holds(user._replace(points=other))


def test_many_intervals_become_one_that_covers_them() -> None:
    intervals: Intervals = ((1, 2), (5, 6), (8, 9))
    assert hull(intervals, 3) == intervals
    assert hull(intervals, 2) == ((1, 9),)
    assert hull((), 0) == ()
