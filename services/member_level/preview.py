"""Who would move, told as spans of points that the indexes can count.

Pure: what to count, and what the counts say.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.rules.ladder import Ladder
from services.user_state.crowd import Span

# Above every total of points, which are int32.
END = 2**31


class Move(NamedTuple):
    """How many users move from one level to another."""

    from_level: int
    to_level: int
    users: int


@dataclass(frozen=True)
class Question:
    """What to count, and the level to which each span moves: its own, where it stays."""

    spans: Sequence[Span]
    targets: Sequence[int]

    def moves(self, counts: Sequence[int]) -> list[Move]:
        """By the level they come from and the level they go to; pairs without users left out."""
        found: dict[tuple[int, int], int] = {}
        for span, target, count in zip(self.spans, self.targets, counts, strict=True):
            if target != span.level and count:
                pair = (span.level, target)
                found[pair] = found.get(pair, 0) + count
        return [Move(*pair, users) for pair, users in sorted(found.items())]

    def staying(self, counts: Sequence[int]) -> int:
        return sum(
            count
            for span, target, count in zip(self.spans, self.targets, counts, strict=True)
            if target == span.level
        )


def under(ladder: Ladder, levels: Iterable[int]) -> Question:
    """Who would move, down and up, if these were the rules; `levels` are all that users hold."""
    spans, targets = [], []
    for level in sorted(levels):
        for least, before, fitted in _stretches(ladder):
            for by_hand in (False, True):
                spans.append(Span(by_hand, level, least, before))
                targets.append(_target(ladder, level, fitted, by_hand=by_hand))
    return Question(spans, targets)


def due(ladder: Ladder) -> Question:
    """Who would fall in a demotion under these rules."""
    spans, targets = [], []
    for rule in ladder.rules:
        for least, before, fitted in _stretches(ladder):
            if fitted < rule.level:
                spans.append(Span(False, rule.level, least, before))
                targets.append(fitted)
    return Question(spans, targets)


def _target(ladder: Ladder, level: int, fitted: int, *, by_hand: bool) -> int:
    # A demotion touches neither what was set by hand nor a level that lost its rule.
    only_rises = by_hand or ladder.rule_of(level) is None
    return max(level, fitted) if only_rises else fitted


def _stretches(ladder: Ladder) -> Iterator[tuple[int, int, int]]:
    """All totals of points, cut where the level changes that they earn."""
    floors = [rule.down_point for rule in ladder.rules]
    for position, rule in enumerate(ladder.rules):
        least = 0 if position == 0 else floors[position]
        before = floors[position + 1] if position + 1 < len(floors) else END
        yield least, before, rule.level
