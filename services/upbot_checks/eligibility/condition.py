"""Conditions on the data of a user; see protos/levelgate/upbot/v1/eligibility.proto."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from services.rules.ladder import Ladder
from services.upbot_checks.compare import Comparison
from services.user_facts.fact import NO_FACT, GameFact, GameKey, Star


class Snapshot(NamedTuple):
    """The data of a user at one moment."""

    level: int | None = None
    """None for an unknown user."""
    points: int = 0
    version: int = 0
    lit: frozenset[Star] = frozenset()
    games: Mapping[GameKey, GameFact] = {}


@dataclass(frozen=True)
class Needs:
    """The data of a user that a condition reads."""

    level: bool = False
    stars: frozenset[Star] = frozenset()
    games: frozenset[GameKey] = frozenset()

    def __or__(self, other: "Needs") -> "Needs":
        return Needs(self.level or other.level, self.stars | other.stars, self.games | other.games)


class Condition:
    """A condition holds for a user or does not."""

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
    """Holds if the code is one of `codes` and `comparison` holds, where they are given."""

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


class Leaf(NamedTuple):
    """A condition that is not All or AnyOf, and the path to it: positions of parts, from 0."""

    path: tuple[int, ...]
    condition: Condition


Explained = TypeVar("Explained")


def unmet_leaves(
    condition: Condition, explain: Callable[[Leaf], Explained], path: tuple[int, ...] = ()
) -> Callable[[Snapshot], list[Explained]]:
    """Returns a function that lists the leaves because of which the condition fails for a user.

    These are the failing parts of All, every part of AnyOf, and a Not as a whole; the list is
    empty if the condition holds. The function is created once for many users: `explain` is called
    once for each leaf, and each leaf is evaluated once for each user.
    """
    if not isinstance(condition, _Several):
        only = [explain(Leaf(path, condition))]
        holds = condition.holds
        return lambda user: [] if holds(user) else only
    parts = [
        unmet_leaves(part, explain, (*path, number)) for number, part in enumerate(condition.parts)
    ]
    if isinstance(condition, All):
        return lambda user: [leaf for unmet in parts for leaf in unmet(user)]

    def of_any(user: Snapshot) -> list[Explained]:
        leaves: list[Explained] = []
        for unmet in parts:
            more = unmet(user)
            if not more:
                return []
            leaves += more
        return leaves

    return of_any


def points_needed(condition: Condition, level: int | None, ladder: Ladder) -> int | None:
    """The fewest points with which a user of this level satisfies the condition.

    None if the condition is not about the level, or if no rule gives such a level. Points only
    ever raise a level, so levels below the user's own are not considered.
    """
    higher = ladder.rules if level is None else ladder.above(level)
    match condition:
        case LevelIn(levels):
            totals = [rule.down_point for rule in higher if rule.level in levels]
        case LevelAtLeast(lowest):
            totals = [rule.down_point for rule in higher if rule.level >= lowest]
        case _:
            return None
    return min(totals, default=None)
