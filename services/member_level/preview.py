"""How many members would change their level: what to count, and what the counts mean.

Does no I/O; the indexes of the user state do the counting.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.rules.ladder import ABOVE_ALL_POINTS, Ladder
from services.rules.thresholds import DemotionThreshold
from services.user_state.indexes import Counted, Question, Range


class Move(NamedTuple):
    """How many members move from one level to another."""

    from_level: int
    to_level: int
    members: int


@dataclass(frozen=True)
class Preview:
    """A question to the indexes, and for each of its stretches the level that the members there
    have and the level that they would have.
    """

    question: Question
    pairs: Sequence[tuple[int, int]]

    def counts(self, found: Iterable[Counted]) -> list[int]:
        """The members in each stretch, summed over all buckets."""
        counts = [0] * len(self.pairs)
        for bucket in found:
            for stretch, members in bucket.stretches:
                counts[stretch] += members
        return counts

    def moves(self, counts: Sequence[int]) -> list[Move]:
        """The moves that have members, ordered by the old level and then by the new one."""
        found: dict[tuple[int, int], int] = {}
        for pair, count in zip(self.pairs, counts, strict=True):
            if pair[0] != pair[1] and count:
                found[pair] = found.get(pair, 0) + count
        return [Move(*pair, members) for pair, members in sorted(found.items())]

    def staying(self, counts: Sequence[int]) -> int:
        pairs = zip(self.pairs, counts, strict=True)
        return sum(count for (level, target), count in pairs if target == level)


def preview_rules(ladder: Ladder, levels: Iterable[int]) -> Preview:
    """Who would move, up or down, if these were the rules; `levels` are all that members hold."""
    earned = [rule.level for rule in ladder.rules]
    ranges, pairs = [], []
    for level in sorted(levels):
        for manual in (False, True):
            ranges.append(Range(manual, level, 0, len(earned)))
            # A manual level is protected from demotion.
            pairs += [(level, max(level, to) if manual else to) for to in earned]
    return Preview(Question(_bounds(ladder), ranges), pairs)


def preview_demotion(ladder: Ladder, thresholds: Iterable[DemotionThreshold]) -> Preview:
    """Who would lose a level in a demotion under these rules, with one range per threshold."""
    bounds = _bounds(ladder)
    ranges = [Range(False, level, 0, bounds.index(points)) for level, points in thresholds]
    pairs = [(each.level, rule.level) for each in ranges for rule in ladder.rules[: each.last]]
    return Preview(Question(bounds, ranges), pairs)


def _bounds(ladder: Ladder) -> list[int]:
    """The points at which the earned level changes, and the ends of the range of all points."""
    return [0, *(rule.down_point for rule in ladder.rules[1:]), ABOVE_ALL_POINTS]
