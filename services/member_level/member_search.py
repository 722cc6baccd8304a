"""Searches for members by the beginning of their id, for a limited time in each call."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.member_level import cursors, failures
from services.member_level.cursors import SearchCursor
from services.runtime.cursor_text import CursorError
from services.store.keys import Bucket, Buckets
from services.store.pace import Turn, at_once
from services.user_state.indexes import BUCKETS_AT_A_TIME
from services.user_state.record import Source
from services.user_state.search import START, IndexedUser, PrefixSearch
from services.user_state.state import UserState


class Asked(NamedTuple):
    """One call of a search."""

    prefix: str
    levels: Collection[int]
    """All levels that members have."""
    size: int
    """The most members on the page."""
    seconds: float
    """For how long to search, unless the page is full before."""
    proceed: Callable[[], None]
    """Called before each round trip; ends the work by raising."""


class SearchedPage(NamedTuple):
    """Members in the order of the search. The cursor is empty at the end of the store."""

    members: Sequence[IndexedUser]
    next_cursor: str
    percent: int


@dataclass
class _Part:
    """A bucket, what has been found in it so far, and after whom its search continues."""

    bucket: Bucket
    after: IndexedUser | None
    """None if the bucket has been searched."""
    found: list[IndexedUser] = field(default_factory=list)


class MemberSearch:
    """The order is by bucket, then by level, source, points and user; changes do not disturb it.

    Every method raises redis.RedisError if the store is unavailable.
    """

    def __init__(
        self,
        users: UserState,
        search: PrefixSearch,
        buckets: Buckets,
        now: Callable[[], float] = time.monotonic,
        turn: Turn = at_once,
    ) -> None:
        self._users = users
        self._turn = turn
        self._search = search
        self._buckets = buckets.all()
        self._now = now

    def page(self, asked: Asked, cursor: str) -> SearchedPage:
        """The member with exactly this id is the first one on the first page, and on no other.

        Raises Failure for an invalid cursor.
        """
        until = self._now() + asked.seconds
        at = self._start(asked.prefix, cursor)
        members = [] if cursor else self._exactly(asked.prefix)
        while len(members) < asked.size:
            room = asked._replace(size=asked.size - len(members))
            found, at = self._some(room, at, until)
            members += found
            if at.bucket == len(self._buckets):
                return SearchedPage(members, "", 100)
            if self._now() >= until:
                break
        percent = 100 * at.bucket // len(self._buckets)
        return SearchedPage(members, cursors.search_cursor(at), percent)

    def _some(
        self, asked: Asked, start: SearchCursor, until: float
    ) -> tuple[list[IndexedUser], SearchCursor]:
        """Searches the next buckets, perhaps not to their end, and returns where to continue."""
        buckets = self._buckets[start.bucket : start.bucket + BUCKETS_AT_A_TIME]
        parts = [_Part(bucket, START) for bucket in buckets]
        parts[0].after = start.after
        while True:
            with self._turn(asked.proceed):
                self._read(parts, asked)
            if _is_enough(parts, asked.size) or self._now() >= until:
                break
        return _taken(parts, asked)

    def _read(self, parts: Sequence[_Part], asked: Asked) -> None:
        """Searches the next part of each bucket that may still add to the page."""
        left = [
            (part, part.after)
            for part in parts
            if part.after is not None and len(part.found) < asked.size
        ]
        places = [(part.bucket, after) for part, after in left]
        answers = self._search.search(places, asked.levels, asked.prefix, asked.size)
        for (part, _), (found, stopped) in zip(left, answers, strict=True):
            part.found += [each for each in found if each.user != asked.prefix]
            part.after = stopped

    def _exactly(self, user: str) -> list[IndexedUser]:
        record = self._users.get(user)
        if record is None:
            return []
        return [IndexedUser(record.level, record.source is Source.MANUAL, record.points, user)]

    def _start(self, prefix: str, cursor: str) -> SearchCursor:
        if not cursor:
            return SearchCursor(prefix, 0, START)
        try:
            start = cursors.read_search_cursor(cursor, prefix)
        except CursorError:
            raise failures.cursor_invalid() from None
        if start.bucket >= len(self._buckets):
            raise failures.cursor_invalid()
        return start


def _is_enough(parts: Sequence[_Part], size: int) -> bool:
    """Whether the page is full before the first bucket whose search has not ended."""
    found = 0
    for part in parts:
        found += len(part.found)
        if found >= size or part.after is not None:
            return found >= size
    return True


def _taken(parts: Sequence[_Part], asked: Asked) -> tuple[list[IndexedUser], SearchCursor]:
    """The members for the page, up to the first bucket whose search has not ended.

    What was found in later buckets is dropped; the next call searches them again.
    """
    members: list[IndexedUser] = []
    for part in parts:
        members += part.found[: asked.size - len(members)]
        after = members[-1] if len(members) == asked.size else part.after
        if after is not None:
            return members, SearchCursor(asked.prefix, part.bucket.number, after)
    return members, SearchCursor(asked.prefix, parts[-1].bucket.number + 1, START)
