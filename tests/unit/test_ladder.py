"""The level rules of docs/api/member-level.md and docs/design.md, "member: levels and rules"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rules.ladder import Conflict, Ladder, Rule
from tests.support.ladders import ladders

# The /show example: there is no rule for [2000, 3000).
EXAMPLE = Ladder(
    [
        Rule(1, 0, "普通会员", 0, 500),
        Rule(2, 1, "黄铜会员", 500, 800),
        Rule(3, 2, "白银会员", 800, 1200),
        Rule(4, 3, "黄金会员", 1200, 2000),
        Rule(6, 5, "黑钻会员", 3000, 5000, "test"),
    ]
)
POINTS = st.integers(0, 2**31 - 1)


@pytest.mark.parametrize(
    ("points", "level"),
    [
        (0, 0),
        (499, 0),
        (500, 1),
        (799, 1),
        (800, 2),
        (1200, 3),
        (1999, 3),
        (2000, 3),  # in a gap: the level below it
        (2999, 3),
        (3000, 5),
        (4999, 5),
        (5000, 5),  # at or above the top stays at the top
        (2**31 - 1, 5),
    ],
)
def test_rules_are_half_open(points: int, level: int) -> None:
    assert EXAMPLE.level_for(points) == level


@given(ladders(), st.integers(-1, 60))
def test_the_rules_above_a_level_are_those_of_higher_levels(ladder: Ladder, level: int) -> None:
    assert list(ladder.above(level)) == [rule for rule in ladder.rules if rule.level > level]


def test_without_rules_there_is_no_level() -> None:
    assert Ladder().level_for(0) is None


@pytest.mark.parametrize(
    ("level", "down", "up", "conflict"),
    [
        (4, 2000, 3000, None),  # fills the gap
        (4, 2100, 2900, None),  # a smaller gap stays
        (9, 5000, 6000, None),  # on top
        (3, 2000, 3000, Conflict.LEVEL),
        (3, -1, -2, Conflict.LEVEL),  # the level is compared first
        (4, -1, 3000, Conflict.POINT),
        (4, 2000, 2000, Conflict.POINT),
        (4, 2500, 2400, Conflict.POINT),
        (4, 1999, 3000, Conflict.POINT),  # overlaps level 3
        (4, 2000, 3001, Conflict.POINT),  # overlaps level 5
        (9, 2000, 3000, Conflict.POINT),  # does not rise with the level
        (4, 5000, 6000, Conflict.POINT),
        (6, 0, 9000, Conflict.POINT),  # around others
        (6, 3500, 4000, Conflict.POINT),  # inside level 5
    ],
)
def test_conflicts_of_a_new_rule(level: int, down: int, up: int, conflict: Conflict | None) -> None:
    assert EXAMPLE.conflict(Rule(7, level, "x", down, up)) == conflict


def test_a_rule_does_not_conflict_with_the_rule_that_it_replaces() -> None:
    assert EXAMPLE.conflict(Rule(4, 3, "黄金会员", 1200, 3000)) is None
    assert EXAMPLE.conflict(Rule(4, 4, "黄金会员", 1200, 3000)) is None
    assert EXAMPLE.conflict(Rule(4, 5, "黄金会员", 1200, 2000)) is Conflict.LEVEL
    assert EXAMPLE.conflict(Rule(4, 6, "黄金会员", 1200, 2000)) is Conflict.POINT


@given(ladders(), POINTS)
def test_points_earn_the_highest_level_whose_down_point_they_reach_or_the_lowest(
    ladder: Ladder, points: int
) -> None:
    reached = [rule.level for rule in ladder.rules if rule.down_point <= points]
    assert ladder.level_for(points) == (max(reached) if reached else ladder.rules[0].level)


@given(ladders(max_point=60), st.integers(0, 55), st.one_of(st.integers(0, 70), POINTS))
def test_points_keep_a_level_unless_they_earn_a_lower_one(
    ladder: Ladder, level: int, points: int
) -> None:
    earned = ladder.level_for(points)
    assert earned is not None
    assert (points < ladder.points_to_keep(level)) == (earned < level)


@pytest.mark.parametrize(
    ("level", "points"),
    [
        (3, 1200),  # a rule's own down_point
        (4, 3000),  # it has no rule: the down_point of the rule above
        (6, 2**31),  # no points keep a level above all rules
        (0, 0),  # the lowest level cannot be lost
    ],
)
def test_the_lowest_points_that_keep_a_level(level: int, points: int) -> None:
    assert EXAMPLE.points_to_keep(level) == points
    assert Ladder().points_to_keep(level) == 0


@given(
    st.lists(
        st.builds(
            Rule,
            st.integers(1, 9),
            st.integers(0, 5),
            st.just("x"),
            st.integers(-2, 12),
            st.integers(-2, 12),
        ),
        max_size=12,
    )
)
def test_no_accepted_rule_breaks_the_order_of_the_ladder(candidates: list[Rule]) -> None:
    ladder = Ladder()
    for candidate in candidates:
        if ladder.conflict(candidate) is None:
            ladder = ladder.put(candidate)
        points = [point for rule in ladder.rules for point in (rule.down_point, rule.up_point)]
        assert points == sorted(points)
        assert len({rule.level for rule in ladder.rules}) == len(ladder.rules)
