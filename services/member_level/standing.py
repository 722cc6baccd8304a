"""Where a member stands: what the next demotion does to the level, and how far higher levels are.

Does no I/O.
"""

from typing import NamedTuple

from services.rules.ladder import Ladder, Rule
from services.user_state.record import Record, Source

# The margin of a member whom the next demotion lowers even if the points stay the same.
_ALREADY_LOST = -1


class Standing(NamedTuple):
    """What the next demotion and a loss of points would do to a member."""

    is_due: bool
    earned_level: int | None
    """The level that the points earn; None if there are no rules."""
    margin: int | None
    """None for a manual level, and if there are no rules."""


class HigherLevel(NamedTuple):
    """A rule above the member's level, and how many points the member needs for it."""

    rule: Rule
    points_missing: int


def margin(points: int, points_to_keep: int) -> int:
    """How many points a member can lose and keep the level; -1 if a demotion lowers it anyway."""
    return max(_ALREADY_LOST, points - points_to_keep)


def standing(ladder: Ladder, record: Record, now: float) -> Standing:
    """`now` is in seconds since 1970."""
    if not ladder.rules:
        return Standing(is_due=False, earned_level=None, margin=None)
    earned = ladder.level_for(record.points)
    if record.source is Source.MANUAL:
        return Standing(record.protected_until <= now, earned, None)
    left = margin(record.points, ladder.points_to_keep(record.level))
    return Standing(left < 0, earned, left)


def higher_levels(ladder: Ladder, record: Record) -> list[HigherLevel]:
    """The rules above the member's level, by rising level."""
    return [
        HigherLevel(rule, max(0, rule.down_point - record.points))
        for rule in ladder.above(record.level)
    ]
