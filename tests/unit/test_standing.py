"""What the next demotion does to a member, and how far the higher levels are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.member_level.standing import HigherLevel, Standing, higher_levels, standing
from services.rules.ladder import Ladder, Rule
from services.user_state.record import Record, Source
from tests.support.ladders import ladders

NOW = 1_000.0
BRONZE, SILVER, GOLD = (
    Rule(1, 0, "bronze", 0, 500),
    Rule(2, 2, "silver", 500, 800),
    Rule(3, 3, "gold", 1_200, 2_000),
)
LADDER = Ladder([BRONZE, SILVER, GOLD])
POINTS = st.integers(0, 2**31 - 1)


def earned(level: int, points: int) -> Record:
    return Record(level, points, Source.EARNED, 0, 1, "")


def manual(level: int, points: int, until: int) -> Record:
    return Record(level, points, Source.MANUAL, until, 1, "p")


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        (earned(2, 500), Standing(False, 2, 0)),
        (earned(2, 799), Standing(False, 2, 299)),
        (earned(2, 499), Standing(True, 0, -1)),
        (earned(2, 0), Standing(True, 0, -1)),
        # The lowest level cannot be lost, so all points can.
        (earned(0, 0), Standing(False, 0, 0)),
        (earned(0, 70), Standing(False, 0, 70)),
        # In the gap below gold.
        (earned(2, 1_199), Standing(False, 2, 699)),
        # The points earn a higher level than the member has; a demotion does not raise it.
        (earned(0, 1_200), Standing(False, 3, 1_200)),
        # Levels without a rule: the rule above keeps level 1; nothing keeps level 4.
        (earned(1, 500), Standing(False, 2, 0)),
        (earned(1, 499), Standing(True, 0, -1)),
        (earned(4, 2**31 - 1), Standing(True, 3, -1)),
        # A protection that ends now has ended.
        (manual(3, 0, 1_001), Standing(False, 0, None)),
        (manual(3, 0, 1_000), Standing(True, 0, None)),
        (manual(0, 600, 999), Standing(True, 2, None)),
    ],
    ids=str,
)
def test_a_member_is_due_when_the_points_or_the_protection_no_longer_keep_the_level(
    record: Record, wanted: Standing
) -> None:
    assert standing(LADDER, record, NOW) == wanted


@pytest.mark.parametrize("record", [earned(3, 0), manual(3, 0, 0)], ids=str)
def test_without_rules_no_demotion_changes_a_level(record: Record) -> None:
    assert standing(Ladder(), record, NOW) == Standing(False, None, None)
    assert higher_levels(Ladder(), record) == []


@given(ladders(), st.integers(0, 60), POINTS, POINTS)
def test_a_loss_within_the_margin_keeps_the_level_and_one_more_point_does_not(
    ladder: Ladder, level: int, points: int, loss: int
) -> None:
    left = standing(ladder, earned(level, points), NOW).margin
    assert left is not None
    loss = min(loss, points)
    kept = ladder.level_for(points - loss)
    assert kept is not None
    # A level below all rules, or without a rule, is kept if the points earn no lower level.
    assert (min(level, kept) == level) == (loss <= left)


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        (earned(0, 70), [HigherLevel(SILVER, 430), HigherLevel(GOLD, 1_130)]),
        (earned(1, 70), [HigherLevel(SILVER, 430), HigherLevel(GOLD, 1_130)]),
        (earned(2, 1_300), [HigherLevel(GOLD, 0)]),
        (manual(2, 0, 2_000), [HigherLevel(GOLD, 1_200)]),
        (earned(3, 1_300), []),
        (earned(7, 1_300), []),
    ],
    ids=str,
)
def test_each_higher_level_has_the_points_that_are_missing(
    record: Record, wanted: list[HigherLevel]
) -> None:
    assert higher_levels(LADDER, record) == wanted


@given(ladders(), st.integers(0, 60), POINTS)
def test_the_missing_points_are_the_fewest_that_earn_the_level(
    ladder: Ladder, level: int, points: int
) -> None:
    found = higher_levels(ladder, earned(level, points))
    assert [each.rule for each in found] == [rule for rule in ladder.rules if rule.level > level]
    for rule, missing in found:
        total = points + missing
        reached = ladder.level_for(total)
        assert reached is not None
        assert reached >= rule.level
        if missing and rule is not ladder.rules[0]:
            below = ladder.level_for(total - 1)
            assert below is not None
            assert below < rule.level
