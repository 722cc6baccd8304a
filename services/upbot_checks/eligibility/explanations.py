"""Explains why a condition does not hold, for many users.

An explanation is concatenated from serialized messages, one for each leaf of the condition that
does not hold: the concatenation of serialized messages is the serialization of the merged message.
Users with the same data share these messages, so an explanation is parsed in one step instead of
being built field by field.
"""

from collections.abc import Callable

from levelgate.upbot.v1 import eligibility_pb2 as pb
from services.rules.ladder import Ladder
from services.runtime.validation import MAX_ID
from services.upbot_checks.eligibility.condition import (
    Condition,
    Leaf,
    LevelAtLeast,
    LevelIn,
    Not,
    Snapshot,
    points_needed,
    unmet_leaves,
)

# The most bytes that the data of a user takes, serialized: level and points; missing points; a
# star; the code and the number of a game fact; and the lengths around them.
_LEVEL, _MISSING, _STAR, _FACT, _LENGTHS = 12, 6, 16, 4 * MAX_ID + 24, 12
# Serialized messages that are cached for each leaf; points have too many values to cache all.
_MAX_CACHED = 100


class Explanations:
    """Explains one condition in terms of the message that it was read from."""

    def __init__(self, message: pb.Condition, condition: Condition, ladder: Ladder) -> None:
        self._leaves: list[_LeafExplanation] = []

        def explain(leaf: Leaf) -> _LeafExplanation:
            self._leaves.append(_LeafExplanation(message, leaf, ladder))
            return self._leaves[-1]

        self._unmet: Callable[[Snapshot], list[_LeafExplanation]] = unmet_leaves(condition, explain)

    def of(self, user: Snapshot) -> bytes:
        """A serialized pb.Explanation; empty if the condition holds."""
        return b"".join([leaf.explained(user) for leaf in self._unmet(user)])

    def largest(self) -> int:
        """The most bytes that an explanation can have, for any user."""
        return sum(leaf.largest() for leaf in self._leaves)


class _LeafExplanation:
    """Explains one leaf of the condition."""

    def __init__(self, message: pb.Condition, leaf: Leaf, ladder: Ladder) -> None:
        self._condition = leaf.condition
        self._needs = leaf.condition.needs()
        self._ladder = ladder
        self._needed: dict[int | None, int | None] = {}
        self._cached: dict[object, bytes] = {}
        self._explanation = pb.Explanation()
        self._unmet = self._explanation.unmet.add()
        field = "condition"
        for position in leaf.path:
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
                # In other conditions a lit star is never a reason for failure.
                size += _STAR * len(needs.stars)
        return size

    def explained(self, user: Snapshot) -> bytes:
        """A serialized explanation of this leaf alone."""
        needs = self._needs
        level = (user.level, user.points) if needs.level else None
        stars = needs.stars & user.lit if needs.stars else None
        games = tuple([user.games.get(key) for key in needs.games]) if needs.games else None
        known = (level, stars, games)
        found = self._cached.get(known)
        if found is None:
            found = self._serialized(user)
            if len(self._cached) < _MAX_CACHED:
                self._cached[known] = found
        return found

    def _serialized(self, user: Snapshot) -> bytes:
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
        needed = self._points_needed(user.level)
        if needed is not None:
            unmet.points_missing = max(0, needed - user.points)
        return self._explanation.SerializeToString()

    def _points_needed(self, level: int | None) -> int | None:
        if level not in self._needed:
            self._needed[level] = points_needed(self._condition, level, self._ladder)
        return self._needed[level]
