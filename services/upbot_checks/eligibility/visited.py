"""Which users a search has to visit: those whose level and points do not exclude the condition.

For each level the result is a set of points, as intervals. A part about facts may hold for any
level and points, and may fail for any.
"""

from collections.abc import Iterable, Sequence
from functools import reduce

from services.rules.ladder import ABOVE_ALL_POINTS
from services.upbot_checks.compare import CompareType, Comparison
from services.upbot_checks.eligibility.condition import (
    All,
    AnyOf,
    AnyStar,
    Condition,
    GameInfo,
    Not,
    Points,
    Snapshot,
)

# Rising and disjoint, each with its lower bound and without its upper one.
Intervals = tuple[tuple[int, int], ...]

_NONE: Intervals = ()
_ALL: Intervals = ((0, ABOVE_ALL_POINTS),)


def points_that_may_hold(condition: Condition, level: int | None) -> Intervals:
    """The points with which a user of this level may satisfy the condition, depending on facts.

    None means a user who is not a member; for those the result is empty, or all points. For a
    condition without parts about facts, users with other points never satisfy the condition, and
    users with these points always do.
    """
    return _may(condition, level, is_met=True)


def reads_points(condition: Condition) -> bool:
    """Whether a part of the condition is about points."""
    match condition:
        case All(parts) | AnyOf(parts):
            return any(map(reads_points, parts))
        case Not(part):
            return reads_points(part)
        case _:
            return isinstance(condition, Points)


def hull(intervals: Intervals, most: int) -> Intervals:
    """The same intervals, or one that covers all of them if they are more than `most`."""
    return intervals if len(intervals) <= most else ((intervals[0][0], intervals[-1][1]),)


def _may(condition: Condition, level: int | None, *, is_met: bool) -> Intervals:
    """The points with which the condition may hold (`is_met`), or may fail."""
    match condition:
        case AnyStar() | GameInfo():
            return _ALL
        case Not(part):
            return _may(part, level, is_met=not is_met)
        case All(parts) | AnyOf(parts):
            each = [_may(part, level, is_met=is_met) for part in parts]
            return _common(each) if isinstance(condition, All) == is_met else _union(each)
        case Points(comparison) if level is not None:
            met = _met_by(comparison)
            return met if is_met else _complement(met)
        case _:
            return _ALL if condition.holds(Snapshot(level)) == is_met else _NONE


def _met_by(comparison: Comparison) -> Intervals:
    value = comparison.value
    match comparison.type:
        case CompareType.EQUAL:
            least, before = value, value + 1
        case CompareType.LESS:
            least, before = 0, value
        case CompareType.LESS_OR_EQUAL:
            least, before = 0, value + 1
        case CompareType.GREATER:
            least, before = value + 1, ABOVE_ALL_POINTS
        case CompareType.GREATER_OR_EQUAL:
            least, before = value, ABOVE_ALL_POINTS
        case CompareType.BETWEEN:
            least, before = value, comparison.upper + 1
    least, before = max(least, 0), min(before, ABOVE_ALL_POINTS)
    return ((least, before),) if least < before else _NONE


def _union(several: Iterable[Intervals]) -> Intervals:
    joined: list[tuple[int, int]] = []
    for least, before in sorted(each for intervals in several for each in intervals):
        if joined and least <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], before))
        else:
            joined.append((least, before))
    return tuple(joined)


def _complement(intervals: Intervals) -> Intervals:
    bounds = [0, *(bound for each in intervals for bound in each), ABOVE_ALL_POINTS]
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return tuple((least, before) for least, before in pairs if least < before)


def _common(several: Sequence[Intervals]) -> Intervals:
    return reduce(_common_to_both, several, _ALL)


def _common_to_both(one: Intervals, other: Intervals) -> Intervals:
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tuple((least, before) for least, before in pairs if least < before)
