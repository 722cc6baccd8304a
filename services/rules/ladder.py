"""The ladder: which level points earn, and which rules can stand beside each other.

docs/api/member-level.md, 等级规则. Rules are half-open [down_point, up_point).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

# Above every total of points, which are int32.
ABOVE_ALL_POINTS = 2**31


@dataclass(frozen=True)
class Rule:
    """One level and the points that keep it. `picture` is None where it was never set."""

    id: int
    level: int
    name: str
    down_point: int
    up_point: int
    picture: str | None = None


class Conflict(Enum):
    """Why a rule cannot stand beside the others; the documents' words."""

    LEVEL = "levelConflict"
    POINT = "pointConflict"


class Ladder:
    """Rules that are free of conflicts, by rising level."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules: Sequence[Rule] = tuple(sorted(rules, key=lambda rule: rule.level))
        self._levels = [rule.level for rule in self.rules]
        self._floors = [rule.down_point for rule in self.rules]

    def level_for(self, points: int) -> int | None:
        """The level that points earn: the highest whose down_point they reach.

        In a gap that is the level below it, above the top the top, below the bottom the bottom;
        None without rules.
        """
        if not self.rules:
            return None
        return self.rules[max(0, bisect_right(self._floors, points) - 1)].level

    def keeps_from(self, level: int) -> int:
        """The fewest points that keep an earned level in a demotion, whether it has a rule or lost
        it: with fewer, points earn a lower level.

        That is the down_point of the lowest rule that has this level or a higher one. Nobody keeps
        a level above all rules; nobody falls from the lowest one, from below it or without rules.
        """
        place = bisect_left(self._levels, level)
        if place == 0:
            return 0
        return self._floors[place] if place < len(self._floors) else ABOVE_ALL_POINTS

    def lowest_level(self) -> int | None:
        return self.rules[0].level if self.rules else None

    def rule_of(self, level: int) -> Rule | None:
        return next((rule for rule in self.rules if rule.level == level), None)

    def with_id(self, rule_id: int) -> Rule | None:
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    def conflict(self, candidate: Rule) -> Conflict | None:
        """What keeps the candidate from standing beside the rules with other ids."""
        others = [rule for rule in self.rules if rule.id != candidate.id]
        if any(rule.level == candidate.level for rule in others):
            return Conflict.LEVEL
        if not 0 <= candidate.down_point < candidate.up_point:
            return Conflict.POINT
        if any(not _rises(candidate, rule) for rule in others):
            return Conflict.POINT
        return None

    def put(self, rule: Rule) -> "Ladder":
        """With the rule in the place of the one that has its id, or added."""
        return Ladder([*(each for each in self.rules if each.id != rule.id), rule])

    def without(self, rule_id: int) -> "Ladder":
        return Ladder(rule for rule in self.rules if rule.id != rule_id)


def _rises(one: Rule, other: Rule) -> bool:
    """Whether the higher level's points begin where the lower one's end, or later."""
    lower, higher = (one, other) if one.level < other.level else (other, one)
    return lower.up_point <= higher.down_point
