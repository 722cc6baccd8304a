"""Counts the members of each level: what to ask the indexes, and what the answer means.

Does no I/O.
"""

from collections.abc import Iterable
from typing import NamedTuple

from services.rules.ladder import ABOVE_ALL_POINTS
from services.user_state.indexes import Counted, Question, Range


class LevelCount(NamedTuple):
    """The members of a level, and those of them whose level is manual."""

    level: int
    members: int
    manual: int


def question(levels: Iterable[int]) -> Question:
    """Has two stretches for each level: first the earned members, then the manual ones."""
    ranges = [Range(manual, level, 0, 1) for level in levels for manual in (False, True)]
    return Question([0, ABOVE_ALL_POINTS], ranges)


def counts(levels: Iterable[int], found: Iterable[Counted]) -> list[LevelCount]:
    """The count of each level, summed over all buckets, for the same levels as the question."""
    sums: dict[int, int] = {}
    for bucket in found:
        for stretch, users in bucket.stretches:
            sums[stretch] = sums.get(stretch, 0) + users
    counted = []
    for number, level in enumerate(levels):
        earned, manual = sums.get(2 * number, 0), sums.get(2 * number + 1, 0)
        counted.append(LevelCount(level, earned + manual, manual))
    return counted
