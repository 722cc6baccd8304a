"""The ladder of rules: which level points earn, and which rules conflict with each other.

docs/api/member-level.md, 等级规则. Rules are half-open: [down_point, up_point).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

# Above every total of points, which is an int32.
ABOVE_ALL_POINTS = 2**31


@dataclass(frozen=True)
class Rule:
    """One level and its range of points. `picture` is None if it was never set."""

    id: int
    level: int
    name: str
    down_point: int
    up_point: int
    picture: str | None = None


class Conflict(Enum):
    """Why a rule conflicts with the others, in the words of the API documents."""

    LEVEL = "levelConflict"
    POINT = "pointConflict"


class Ladder:
    """Rules without conflicts, by rising level."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules: Sequence[Rule] = tuple(sorted(rules, key=lambda rule: rule.level))
        self._levels = [rule.level for rule in self.rules]
        self._down_points = [rule.down_point for rule in self.rules]

    def level_for(self, points: int) -> int | None:
        """The level that points earn: the highest one whose down_point they reach.

        Points below all rules earn the lowest level. None without rules.
        """
        if not self.rules:
            return None
        return self.rules[max(0, bisect_right(self._down_points, points) - 1)].level

    def points_to_keep(self, level: int) -> int:
        """The lowest points that keep an earned level in a demotion; fewer earn a lower level.

        That is the down_point of the lowest rule with this level or a higher one, so it also holds
        for a level without a rule. No points keep a level above all rules; any points keep the
        lowest level, a level below it, or a level if there are no rules.
        """
        place = bisect_left(self._levels, level)
        if place == 0:
            return 0
        return self._down_points[place] if place < len(self._down_points) else ABOVE_ALL_POINTS

    def rule_of(self, level: int) -> Rule | None:
        return next((rule for rule in self.rules if rule.level == level), None)

    def above(self, level: int) -> Sequence[Rule]:
        """The rules of higher levels, by rising level. Points never lower a level, so these are the
        levels that a user of this level can still earn.
        """
        return self.rules[bisect_right(self._levels, level) :]

    def with_id(self, rule_id: int) -> Rule | None:
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    def conflict(self, candidate: Rule) -> Conflict | None:
        """Why the candidate conflicts with the rules that have other ids; None if it does not."""
        others = [rule for rule in self.rules if rule.id != candidate.id]
        if any(rule.level == candidate.level for rule in others):
            return Conflict.LEVEL
        if not 0 <= candidate.down_point < candidate.up_point:
            return Conflict.POINT
        if any(not _rises(candidate, rule) for rule in others):
            return Conflict.POINT
        return None

    def put(self, rule: Rule) -> "Ladder":
        """A ladder in which this rule replaces the one with its id, or is added."""
        return Ladder([*(each for each in self.rules if each.id != rule.id), rule])

    def without(self, rule_id: int) -> "Ladder":
        return Ladder(rule for rule in self.rules if rule.id != rule_id)


def _rises(one: Rule, other: Rule) -> bool:
    """Whether the higher level's points begin at or after the end of the lower level's points."""
    lower, higher = (one, other) if one.level < other.level else (other, one)
    return lower.up_point <= higher.down_point
