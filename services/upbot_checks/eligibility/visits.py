"""Visits users bucket by bucket: their level, points and the facts that a condition needs.

One script reads a page of the indexes and the fields of the users' facts, and returns the users in
groups with equal data. A condition is evaluated once for each group, so a user who does not satisfy
it costs Python a fraction of a microsecond (docs/adr/0014). Records are not read: an index changes
together with its records.
"""

import json
import struct
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from services.store.keys import Bucket
from services.store.scripts import NamedScript, NamedValues, lua_constants
from services.store.store import Store
from services.upbot_checks.eligibility.condition import Condition, Needs, Snapshot
from services.upbot_checks.eligibility.visited import hull, points_that_may_hold, reads_points
from services.user_facts.fact_store import game_field, star_field, unpack_fact
from services.user_state.indexes import Span, bounds_of, index_key
from services.user_state.scripts import script_text

# What one round trip may cost, because the store serves nobody else meanwhile: 1 to 2 ms. A user
# costs as much as ten stars. A game fact does too, because it may be long.
_COST_AT_A_TIME = 5_000
_USER, _STAR, _GAME = 10, 1, 10
# Indexes in one call of the script.
_SPANS_AT_A_TIME = 100
# Intervals of points that are visited separately; the script reads each in its own step.
_MOST_INTERVALS = 4
# Groups whose result is remembered; points have too many values to remember all.
_MOST_REMEMBERED = 1_000
# The number of a field, and the length of its value.
_VALUE = struct.Struct(">HI")


class Place(NamedTuple):
    """Where a bucket continues: in which span, and after which user."""

    bucket: Bucket
    span: int = 0
    least: int = 0
    after: str = ""


class Page(NamedTuple):
    """What one call of the script found."""

    users: list[str]
    """Those who satisfy the condition."""
    visited: int
    next: Place | None
    """None if the bucket is finished."""


class Visited(NamedTuple):
    """The users that a search visits."""

    spans: Sequence[Span]
    """Members by level and points."""
    others: bool
    """Whether users who have facts but are no members are visited, too."""

    @classmethod
    def by(cls, condition: Condition, levels: Iterable[int]) -> "Visited":
        """Everybody who may satisfy the condition, if these are all levels that members have."""
        spans = [
            Span(manual, level, least, before)
            for level in sorted(levels)
            for least, before in hull(points_that_may_hold(condition, level), _MOST_INTERVALS)
            for manual in (False, True)
        ]
        return cls(spans, bool(points_that_may_hold(condition, None)))


class Visits:
    """Visits users for one condition. Every method raises redis.RedisError."""

    def __init__(self, store: Store, condition: Condition, visited: Visited) -> None:
        self._condition = condition
        self.visited = visited
        needs = condition.needs()
        self._values = _Values(needs)
        self._fields = json.dumps(self._values.fields)
        self._has_points = reads_points(condition)
        self._remembered: dict[tuple[int | None, bytes, bytes], bool] = {}
        cost = _USER + _STAR * len(needs.stars) + _GAME * len(needs.games)
        self._limit = max(1, _COST_AT_A_TIME // cost)
        self._left_out = "".join(map(self._is_left_out, range(len(visited.spans) + 1)))
        self._script = NamedScript(
            store,
            lua_constants({"VALUE": _VALUE})
            + script_text("rank")
            + script_text("entries")
            + _text(),
            keys="*indexes",
            arguments="limit:int after fields facts_prefix record_prefix left_out with_points:int"
            " *bounds",
            writes=False,
        )

    def read(self, places: Sequence[Place]) -> list[Page]:
        """The next page of each place, in one round trip."""
        share = max(1, self._limit // len(places))
        answers = self._script.many([self._call(place, share) for place in places])
        return [self._page(*each) for each in zip(places, answers, strict=True)]

    def _call(self, place: Place, limit: int) -> NamedValues:
        bucket = place.bucket
        spans = list(self.visited.spans[place.span : place.span + _SPANS_AT_A_TIME])
        is_last = place.span + _SPANS_AT_A_TIME >= len(self.visited.spans)
        if place.after and spans:
            spans[0] = spans[0]._replace(least=place.least)
        indexes, bounds = [index_key(bucket, span) for span in spans], bounds_of(spans)
        has_others = self.visited.others and is_last
        if has_others:
            indexes.append(bucket.fact_users)
            bounds += (0, 1)
        return {
            "indexes": indexes,
            "limit": limit,
            "after": place.after,
            "fields": self._fields,
            "facts_prefix": bucket.facts(""),
            "record_prefix": bucket.record("") if has_others else "",
            "left_out": self._left_out[place.span :],
            "with_points": int(self._has_points),
            "bounds": bounds,
        }

    def _page(self, place: Place, answer: Sequence[Any]) -> Page:
        ended, visited, *groups = answer
        users: list[str] = []
        for index, known, names, points in groups:
            number = place.span + index
            level = self._level_of(number)
            if not self._has_points or level is None:
                if self._holds(level, b"0", known):
                    users += (name.decode() for name in names)
                continue
            pairs = zip(names, points, strict=True)
            users += (name.decode() for name, has in pairs if self._holds(level, has, known))
        return Page(users, int(visited), self._next(place, ended))

    def _next(self, place: Place, ended: Sequence[bytes]) -> Place | None:
        if ended:
            index, user, points = ended
            return Place(place.bucket, place.span + int(index), int(points), user.decode())
        following = place.span + _SPANS_AT_A_TIME
        return Place(place.bucket, following) if following < len(self.visited.spans) else None

    def _is_left_out(self, number: int) -> str:
        """1 if nobody of this span satisfies the condition without facts, whatever the points."""
        level = self._level_of(number)
        is_decided = level is None or not self._has_points
        return "1" if is_decided and not self._holds(level, b"0", b"") else "0"

    def _level_of(self, number: int) -> int | None:
        spans = self.visited.spans
        return spans[number].level if number < len(spans) else None

    def _holds(self, level: int | None, points: bytes, known: bytes) -> bool:
        key = (level, points, known)
        holds = self._remembered.get(key)
        if holds is None:
            user = self._values.snapshot(level, int(points), known)
            holds = self._condition.holds(user)
            if len(self._remembered) < _MOST_REMEMBERED:
                self._remembered[key] = holds
        return holds


class _Values:
    """The fields of a user's facts that a condition needs, and their values."""

    def __init__(self, needs: Needs) -> None:
        self._stars, self._games = sorted(needs.stars), sorted(needs.games)
        self.fields = [*map(star_field, self._stars), *map(game_field, self._games)]

    def snapshot(self, level: int | None, points: int, known: bytes) -> Snapshot:
        """`known` has the number, the length and the value of each field that exists."""
        lit, games, at = [], {}, 0
        while at < len(known):
            number, length = _VALUE.unpack_from(known, at)
            at += _VALUE.size + length
            if number < len(self._stars):
                lit.append(self._stars[number])
            else:
                games[self._games[number - len(self._stars)]] = unpack_fact(known[at - length : at])
        return Snapshot(level, points, 0, frozenset(lit), games)


def _text() -> str:
    return files(__package__).joinpath("visit.lua").read_text()
