"""Why a condition does not hold: for many users, with what does not depend on the user made once.

An explanation is put together from serialized parts. Serialized messages that are joined are the
serialization of the merged message, so the parts of all users that lack the same are shared, and
a user's explanation is read in one step instead of being built field by field.
"""

from collections.abc import Callable

from levelgate.upbot.v1 import eligibility_pb2 as pb
from services.rules.ladder import Ladder
from services.runtime.validation import MAX_ID
from services.upbot_checks.eligibility.condition import (
    Condition,
    LevelAtLeast,
    LevelIn,
    Not,
    Place,
    Snapshot,
    points_wanted,
    unmet_parts,
)

# What is known of a user has at most so many bytes, serialized: level and points; points that are
# missing; a star; the code and the number of a game fact; and the lengths around them.
_LEVEL, _MISSING, _STAR, _FACT, _LENGTHS = 12, 6, 16, 4 * MAX_ID + 24, 12
# Serialized parts that are kept for each place; users' points have too many values to keep all.
_MOST_KEPT = 100


class Explanations:
    """Of one condition, in terms of the message that it was read from."""

    def __init__(self, message: pb.Condition, condition: Condition, ladder: Ladder) -> None:
        self._parts: list[_Part] = []

        def part_of(place: Place) -> _Part:
            self._parts.append(_Part(message, place, ladder))
            return self._parts[-1]

        self._unmet: Callable[[Snapshot], list[_Part]] = unmet_parts(condition, part_of)

    def of(self, user: Snapshot) -> bytes:
        """A serialized pb.Explanation; empty where the condition holds."""
        return b"".join([part.explained(user) for part in self._unmet(user)])

    def largest(self) -> int:
        """The most bytes that an explanation may have, whatever is known of the user."""
        return sum(part.largest() for part in self._parts)


class _Part:
    """A condition that holds no others, and what its failure says of a user."""

    def __init__(self, message: pb.Condition, place: Place, ladder: Ladder) -> None:
        self._condition = place.condition
        self._needs = place.condition.needs()
        self._ladder = ladder
        self._wanted: dict[int | None, int | None] = {}
        self._kept: dict[object, bytes] = {}
        self._explanation = pb.Explanation()
        self._unmet = self._explanation.unmet.add()
        field = "condition"
        for position in place.path:
            kind = str(message.WhichOneof("kind"))
            field += f".{kind}.conditions[{position}]"
            message = getattr(message, kind).conditions[position]
        self._unmet.field = field
        self._unmet.asked.CopyFrom(message)
        self._asked = self._unmet.ByteSize()

    def largest(self) -> int:
        needs, size = self._needs, self._asked + _LENGTHS
        for key in needs.games:
            size += pb.KnownGameInfo(**key._asdict()).ByteSize() + _FACT
        if needs.level:
            size += _LEVEL
        match self._condition:
            case LevelIn() | LevelAtLeast():
                size += _MISSING
            case Not():
                # Elsewhere a star that is lit is no reason.
                size += _STAR * len(needs.stars)
        return size

    def explained(self, user: Snapshot) -> bytes:
        """A serialized explanation with this part alone."""
        needs = self._needs
        level = (user.level, user.points) if needs.level else None
        stars = needs.stars & user.lit if needs.stars else None
        games = tuple([user.games.get(key) for key in needs.games]) if needs.games else None
        known = (level, stars, games)
        found = self._kept.get(known)
        if found is None:
            found = self._written(user)
            if len(self._kept) < _MOST_KEPT:
                self._kept[known] = found
        return found

    def _written(self, user: Snapshot) -> bytes:
        needs, unmet = self._needs, self._unmet
        unmet.has.Clear()
        unmet.ClearField("points_missing")
        if needs.level and user.level is not None:
            unmet.has.level, unmet.has.points = user.level, user.points
        if needs.stars:
            for star in sorted(needs.stars & user.lit):
                unmet.has.stars.add(gid=star.gid, device=star.device)
        if needs.games:
            for key in sorted(needs.games & user.games.keys()):
                fact = user.games[key]
                unmet.has.game_infos.add(**key._asdict(), code=fact.code, number=fact.number)
        wanted = self._points_wanted(user.level)
        if wanted is not None:
            unmet.points_missing = max(0, wanted - user.points)
        return self._explanation.SerializeToString()

    def _points_wanted(self, level: int | None) -> int | None:
        if level not in self._wanted:
            self._wanted[level] = points_wanted(self._condition, level, self._ladder)
        return self._wanted[level]
