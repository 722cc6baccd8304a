"""The six comparisons of compare_info: 1 =, 2 <, 3 <=, 4 >, 5 >=, 6 value <= x <= rvalue."""

import pytest

from services.upbot_checks.compare import CompareType, Comparison


@pytest.mark.parametrize(
    ("compare_type", "below", "at", "above"),
    [
        (1, False, True, False),
        (2, True, False, False),
        (3, True, True, False),
        (4, False, False, True),
        (5, False, True, True),
    ],
)
def test_numbers_just_below_at_and_above_the_value(
    compare_type: int, below: bool, at: bool, above: bool
) -> None:
    for value in (-(2**63) + 1, -7, 0, 1200, 2**63 - 2):
        comparison = Comparison(CompareType(compare_type), value)
        assert [comparison.holds(value + step) for step in (-1, 0, 1)] == [below, at, above]


@pytest.mark.parametrize(("low", "high"), [(-2, 3), (5, 5), (-(2**63), 2**63 - 1)])
def test_between_includes_both_bounds_and_nothing_outside(low: int, high: int) -> None:
    between = Comparison(CompareType.BETWEEN, low, high)
    assert between.holds(low)
    assert between.holds(high)
    assert not between.holds(low - 1)
    assert not between.holds(high + 1)
