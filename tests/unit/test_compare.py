"""The six comparisons of compare_info: 1 =, 2 <, 3 <=, 4 >, 5 >=, 6 value <= x <= rvalue."""

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.upbot_checks.compare import CompareType, Comparison

INT64 = st.integers(-(2**63), 2**63 - 1)


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
@pytest.mark.parametrize("value", [-7, 0, 1200])
def test_a_number_just_below_at_and_above_the_bound(
    compare_type: int, below: bool, at: bool, above: bool, value: int
) -> None:
    comparison = Comparison(CompareType(compare_type), value)
    assert [comparison.holds(value + step) for step in (-1, 0, 1)] == [below, at, above]


def test_between_includes_both_ends() -> None:
    between = Comparison(CompareType.BETWEEN, -2, 3)
    assert [n for n in range(-5, 7) if between.holds(n)] == [-2, -1, 0, 1, 2, 3]


def test_between_two_equal_bounds_holds_for_that_number() -> None:
    assert Comparison(CompareType.BETWEEN, 5, 5).holds(5)


@given(INT64, INT64)
def test_the_types_agree_with_the_operators(number: int, value: int) -> None:
    operators = [operator.eq, operator.lt, operator.le, operator.gt, operator.ge]
    for compare_type, compare in zip(CompareType, operators, strict=False):
        assert Comparison(compare_type, value).holds(number) == compare(number, value)


@given(INT64, INT64, INT64)
def test_between_means_at_least_the_lower_and_at_most_the_upper_bound(
    number: int, a: int, b: int
) -> None:
    low, high = min(a, b), max(a, b)
    at_least = Comparison(CompareType.GREATER_OR_EQUAL, low).holds(number)
    at_most = Comparison(CompareType.LESS_OR_EQUAL, high).holds(number)
    assert Comparison(CompareType.BETWEEN, low, high).holds(number) == (at_least and at_most)
