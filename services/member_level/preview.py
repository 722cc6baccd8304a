"""Who would move under some rules, as counts that the indexes can answer.

Pure: what to count, and what the counts say.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.rules.ladder import ABOVE_ALL_POINTS, Ladder
from services.rules.thresholds import DemotionThreshold
from services.user_state.indexes import Counted, Question, Range


class Move(NamedTuple):
    """How many users move from one level to another."""

    from_level: int
    to_level: int
    users: int


@dataclass(frozen=True)
class Preview:
    """What to count, and for each stretch of it the level that its users have and the one that
    they would have.
    """

    question: Question
    pairs: Sequence[tuple[int, int]]

    def counts(self, found: Iterable[Counted]) -> list[int]:
        """The users in each stretch, over all buckets."""
        counts = [0] * len(self.pairs)
        for bucket in found:
            for stretch, users in bucket.stretches:
                counts[stretch] += users
        return counts

    def moves(self, counts: Sequence[int]) -> list[Move]:
        """By the level they come from and the level they go to; pairs without users left out."""
        found: dict[tuple[int, int], int] = {}
        for pair, count in zip(self.pairs, counts, strict=True):
            if pair[0] != pair[1] and count:
                found[pair] = found.get(pair, 0) + count
        return [Move(*pair, users) for pair, users in sorted(found.items())]

    def staying(self, counts: Sequence[int]) -> int:
        pairs = zip(self.pairs, counts, strict=True)
        return sum(count for (level, target), count in pairs if target == level)


def under(ladder: Ladder, levels: Iterable[int]) -> Preview:
    """Who would move, down and up, if these were the rules; `levels` are all that users hold."""
    earned = [rule.level for rule in ladder.rules]
    ranges, pairs = [], []
    for level in sorted(levels):
        for by_hand in (False, True):
            ranges.append(Range(by_hand, level, 0, len(earned)))
            # What was set by hand is protected from a demotion.
            pairs += [(level, max(level, to) if by_hand else to) for to in earned]
    return Preview(Question(_bounds(ladder), ranges), pairs)


def due(ladder: Ladder, thresholds: Iterable[DemotionThreshold]) -> Preview:
    """Who would fall in a demotion under these rules; each fall has a range."""
    bounds = _bounds(ladder)
    ranges = [Range(False, level, 0, bounds.index(points)) for level, points in thresholds]
    pairs = [(each.level, rule.level) for each in ranges for rule in ladder.rules[: each.last]]
    return Preview(Question(bounds, ranges), pairs)


def _bounds(ladder: Ladder) -> list[int]:
    """All totals of points, cut where the level changes that they earn."""
    return [0, *(rule.down_point for rule in ladder.rules[1:]), ABOVE_ALL_POINTS]
