"""Conditions on what is known of a user; protos/levelgate/upbot/v1/eligibility.proto."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from services.rules.ladder import Ladder
from services.upbot_checks.compare import Comparison
from services.upbot_checks.fact import NO_FACT, GameFact, GameKey, Star


class Snapshot(NamedTuple):
    """What is known of a user at one moment."""

    level: int | None = None
    """None for an unknown user."""
    points: int = 0
    version: int = 0
    lit: frozenset[Star] = frozenset()
    games: Mapping[GameKey, GameFact] = {}


@dataclass(frozen=True)
class Needs:
    """What must be known of a user to say whether a condition holds."""

    level: bool = False
    stars: frozenset[Star] = frozenset()
    games: frozenset[GameKey] = frozenset()

    def __or__(self, other: "Needs") -> "Needs":
        return Needs(self.level or other.level, self.stars | other.stars, self.games | other.games)


class Condition:
    """What a user satisfies or not."""

    def holds(self, user: Snapshot) -> bool:
        raise NotImplementedError

    def needs(self) -> Needs:
        raise NotImplementedError


@dataclass(frozen=True)
class LevelIn(Condition):
    levels: frozenset[int]

    def holds(self, user: Snapshot) -> bool:
        return user.level in self.levels

    def needs(self) -> Needs:
        return Needs(level=True)


@dataclass(frozen=True)
class LevelAtLeast(Condition):
    level: int

    def holds(self, user: Snapshot) -> bool:
        return user.level is not None and user.level >= self.level

    def needs(self) -> Needs:
        return Needs(level=True)


@dataclass(frozen=True)
class Points(Condition):
    comparison: Comparison

    def holds(self, user: Snapshot) -> bool:
        return user.level is not None and self.comparison.holds(user.points)

    def needs(self) -> Needs:
        return Needs(level=True)


@dataclass(frozen=True)
class AnyStar(Condition):
    stars: frozenset[Star]

    def holds(self, user: Snapshot) -> bool:
        return not self.stars.isdisjoint(user.lit)

    def needs(self) -> Needs:
        return Needs(stars=self.stars)


@dataclass(frozen=True)
class GameInfo(Condition):
    """The code is one of these, where any are given, and the number compares, where it is to."""

    key: GameKey
    codes: frozenset[str] = frozenset()
    comparison: Comparison | None = None

    def holds(self, user: Snapshot) -> bool:
        fact = user.games.get(self.key, NO_FACT)
        if self.codes and fact.code not in self.codes:
            return False
        if self.comparison is None:
            return True
        return fact.number is not None and self.comparison.holds(fact.number)

    def needs(self) -> Needs:
        return Needs(games=frozenset({self.key}))


@dataclass(frozen=True)
class Not(Condition):
    part: Condition

    def holds(self, user: Snapshot) -> bool:
        return not self.part.holds(user)

    def needs(self) -> Needs:
        return self.part.needs()


@dataclass(frozen=True)
class _Several(Condition):
    parts: Sequence[Condition] = field(default=())

    def needs(self) -> Needs:
        needs = Needs()
        for part in self.parts:
            needs |= part.needs()
        return needs


class All(_Several):
    def holds(self, user: Snapshot) -> bool:
        return all(part.holds(user) for part in self.parts)


class AnyOf(_Several):
    def holds(self, user: Snapshot) -> bool:
        return any(part.holds(user) for part in self.parts)


class Place(NamedTuple):
    """A condition that holds no others, and where it stands: which part of which part, from 0."""

    path: tuple[int, ...]
    condition: Condition


Part = TypeVar("Part")


def unmet_parts(
    condition: Condition, part_of: Callable[[Place], Part], path: tuple[int, ...] = ()
) -> Callable[[Snapshot], list[Part]]:
    """A function that gives the innermost parts that keep the condition from holding for a user.

    Of All the parts that fail, of AnyOf every part, and a Not itself; none if it holds. It is
    made once for many users: `part_of` is called once for each place, and each condition is
    asked once about each user.
    """
    if not isinstance(condition, _Several):
        alone = [part_of(Place(path, condition))]
        holds = condition.holds
        return lambda user: [] if holds(user) else alone
    found = [
        unmet_parts(part, part_of, (*path, number)) for number, part in enumerate(condition.parts)
    ]
    if isinstance(condition, All):
        return lambda user: [part for unmet in found for part in unmet(user)]

    def of_any(user: Snapshot) -> list[Part]:
        parts: list[Part] = []
        for unmet in found:
            more = unmet(user)
            if not more:
                return []
            parts += more
        return parts

    return of_any


def points_wanted(condition: Condition, level: int | None, ladder: Ladder) -> int | None:
    """The fewest points that give a user of this level a level that is asked for.

    None where no level is asked for, and where no rule gives one. A level is only ever raised by
    points, so one below the user's own is not to be had.
    """
    higher = [rule for rule in ladder.rules if level is None or rule.level > level]
    match condition:
        case LevelIn(levels):
            floors = [rule.down_point for rule in higher if rule.level in levels]
        case LevelAtLeast(asked):
            floors = [rule.down_point for rule in higher if rule.level >= asked]
        case _:
            return None
    return min(floors, default=None)
