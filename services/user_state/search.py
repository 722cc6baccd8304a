"""Searches all users for those whose id begins with a prefix, a part of the store at a time."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from services.store.batches import batched
from services.store.keys import Bucket
from services.store.scripts import NamedScript, NamedValues, lua_constants
from services.store.store import Store
from services.user_state.scripts import script_text

# Users that one call of the script examines: about 0.3 ms of the store's time.
_MOST_EXAMINED = 500
_LEVEL = struct.Struct(">I")


class IndexedUser(NamedTuple):
    """A user in an index. The fields are in the order of a search within a bucket."""

    level: int
    manual: bool
    points: int
    user: str


# A search that starts after this user starts at the beginning.
START = IndexedUser(0, False, 0, "")


class Searched(NamedTuple):
    """The users that were found in a part of a bucket, in the order of the search."""

    found: Sequence[IndexedUser]
    stopped: IndexedUser | None
    """Where the search of the bucket continues; None if the bucket has been searched."""


class PrefixSearch:
    """Every method raises redis.RedisError if the store is unavailable."""

    def __init__(self, store: Store, most_examined: int = _MOST_EXAMINED) -> None:
        self._most_examined = most_examined
        constants = lua_constants({"LEVEL": _LEVEL, "LEVEL_BYTES": _LEVEL.size})
        self._script = NamedScript(
            store,
            constants + script_text("rank") + script_text("search"),
            keys="protections_key",
            arguments="level_prefix manual_prefix levels start:int after_points:int after"
            " prefix limit:int most:int",
            writes=False,
        )

    def search(
        self,
        places: Iterable[tuple[Bucket, IndexedUser]],
        levels: Iterable[int],
        prefix: str,
        limit: int,
    ) -> list[Searched]:
        """Searches the next part of each bucket in one round trip, for up to `limit` users each.

        `levels` are all that users have. The answers have the order of the places.
        """
        every = sorted(levels)
        calls, searched_levels = [], []
        for bucket, after in places:
            left = [level for level in every if level >= after.level]
            searched_levels.append(left)
            calls.append(_call(bucket, left, after))
        shared = {"prefix": prefix, "limit": limit, "most": self._most_examined}
        answers = self._script.many([{**call, **shared} for call in calls])
        return [_read(answer, left) for answer, left in zip(answers, searched_levels, strict=True)]


def _call(bucket: Bucket, levels: Sequence[int], after: IndexedUser) -> NamedValues:
    begins = bool(levels) and levels[0] == after.level
    return {
        # The keys of the indexes are made in the script; this one is on the same slot.
        "protections_key": bucket.protections,
        "level_prefix": bucket.level_prefix,
        "manual_prefix": bucket.manual_prefix,
        "levels": b"".join(map(_LEVEL.pack, levels)),
        "start": int(begins and after.manual),
        "after_points": after.points,
        "after": after.user if begins else "",
    }


def _read(answer: Sequence[Any], levels: Sequence[int]) -> Searched:
    is_done, number, user, points, *found = answer
    stopped = None if is_done else _indexed(levels, number, user, points)
    return Searched([_indexed(levels, *each) for each in batched(found, 3)], stopped)


def _indexed(levels: Sequence[int], number: int, user: bytes, points: bytes) -> IndexedUser:
    position, manual = divmod(number, 2)
    return IndexedUser(levels[position], bool(manual), int(points), user.decode())
