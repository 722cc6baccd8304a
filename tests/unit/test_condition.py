"""Conditions: whether they hold, what they read, and how many points are needed."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rules.ladder import Ladder, Rule
from services.upbot_checks.compare import CompareType, Comparison
from services.upbot_checks.eligibility.condition import (
    All,
    AnyOf,
    AnyStar,
    Condition,
    GameInfo,
    LevelAtLeast,
    LevelIn,
    Needs,
    Not,
    Points,
    Snapshot,
    points_needed,
)
from services.user_facts.fact import ANDROID, IOS, GameFact, GameKey, Star

KEY, OTHER_KEY = GameKey("cfm", "1", "2", "0", "bbb", 1), GameKey("cfm", "1", "2", "0", "bbb", 2)
NOBODY = Snapshot()
FROM_10 = Comparison(CompareType.GREATER_OR_EQUAL, 10)

small = st.integers(0, 4)
stars = st.builds(Star, small, st.sampled_from([ANDROID, IOS]))
comparisons = st.builds(
    lambda kind, value, more: Comparison(kind, value, value + more),
    st.sampled_from(CompareType),
    small,
    small,
)
games = st.builds(GameFact, st.none() | st.sampled_from(["a", "b"]), st.none() | small)
keys = st.sampled_from([KEY, OTHER_KEY])
leaves = st.one_of(
    st.builds(LevelIn, st.frozensets(small, min_size=1)),
    st.builds(LevelAtLeast, small),
    st.builds(Points, comparisons),
    st.builds(AnyStar, st.frozensets(stars, min_size=1)),
    st.builds(GameInfo, keys, st.frozensets(st.sampled_from(["a", "b"])), st.none() | comparisons),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(All, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
users = st.builds(
    Snapshot,
    st.none() | small,
    small,
    small,
    st.frozensets(stars),
    st.dictionaries(keys, games),
)


@pytest.mark.parametrize(
    ("condition", "user", "holds"),
    [
        (LevelIn(frozenset({1, 3})), Snapshot(level=3), True),
        (LevelIn(frozenset({1, 3})), Snapshot(level=2), False),
        (LevelIn(frozenset({0})), NOBODY, False),
        (LevelAtLeast(3), Snapshot(level=3), True),
        (LevelAtLeast(3), Snapshot(level=2), False),
        (LevelAtLeast(0), NOBODY, False),
        (Points(FROM_10), Snapshot(level=0, points=10), True),
        (Points(FROM_10), Snapshot(level=9, points=9), False),
        (Points(Comparison(CompareType.EQUAL, 0)), NOBODY, False),
        (AnyStar(frozenset({Star(1, IOS)})), Snapshot(lit=frozenset({Star(1, IOS)})), True),
        (AnyStar(frozenset({Star(1, IOS)})), Snapshot(lit=frozenset({Star(1, ANDROID)})), False),
        (GameInfo(KEY, frozenset({"a"})), Snapshot(games={KEY: GameFact("a")}), True),
        (GameInfo(KEY, frozenset({"a"})), Snapshot(games={KEY: GameFact("b")}), False),
        (GameInfo(KEY, frozenset({"a"})), Snapshot(games={OTHER_KEY: GameFact("a")}), False),
        (GameInfo(KEY, comparison=FROM_10), Snapshot(games={KEY: GameFact(None, 10)}), True),
        (GameInfo(KEY, comparison=FROM_10), Snapshot(games={KEY: GameFact("10")}), False),
        (
            GameInfo(KEY, frozenset({"a"}), FROM_10),
            Snapshot(games={KEY: GameFact("a", 9)}),
            False,
        ),
        (Not(LevelAtLeast(0)), NOBODY, True),
    ],
)
def test_a_leaf_holds_for_the_users_that_satisfy_it(
    condition: Condition, user: Snapshot, holds: bool
) -> None:
    assert condition.holds(user) is holds


@given(st.lists(conditions, min_size=1, max_size=4).map(tuple), users)
def test_all_any_and_not_combine_their_parts(parts: tuple[Condition, ...], user: Snapshot) -> None:
    each = [part.holds(user) for part in parts]
    assert All(parts).holds(user) == all(each)
    assert AnyOf(parts).holds(user) == any(each)
    assert Not(parts[0]).holds(user) is not each[0]


@given(conditions, users)
def test_the_data_that_a_condition_needs_is_enough(condition: Condition, user: Snapshot) -> None:
    needs = condition.needs()
    known = Snapshot(
        user.level if needs.level else None,
        user.points if needs.level else 0,
        lit=user.lit & needs.stars,
        games={key: fact for key, fact in user.games.items() if key in needs.games},
    )
    assert condition.holds(known) == condition.holds(user)


@dataclass(frozen=True)
class Never(Condition):
    """A part that must not be evaluated."""

    def holds(self, user: Snapshot) -> bool:
        raise AssertionError(f"evaluated for {user}")

    def needs(self) -> Needs:
        return Needs()


def test_the_evaluation_stops_as_soon_as_the_result_is_certain() -> None:
    yes, no = LevelAtLeast(0), LevelAtLeast(9)
    assert not All((no, Never())).holds(Snapshot(level=0))
    assert AnyOf((yes, Never())).holds(Snapshot(level=0))


RULES = Ladder([Rule(1, 1, "a", 500, 800), Rule(2, 2, "b", 800, 1200), Rule(4, 4, "d", 2000, 3000)])


@pytest.mark.parametrize(
    ("condition", "level", "points"),
    [
        (LevelAtLeast(2), 1, 800),
        (LevelAtLeast(3), 1, 2000),
        (LevelAtLeast(5), 1, None),
        (LevelAtLeast(1), None, 500),
        (LevelIn(frozenset({4, 2})), 1, 800),
        (LevelIn(frozenset({1, 4})), 2, 2000),
        (LevelIn(frozenset({1})), 2, None),
        (LevelIn(frozenset({3})), 2, None),
        (Points(FROM_10), 1, None),
        (Not(LevelAtLeast(1)), 1, None),
    ],
)
def test_points_wanted_for_a_level(
    condition: Condition, level: int | None, points: int | None
) -> None:
    assert points_needed(condition, level, RULES) == points
