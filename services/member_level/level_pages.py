"""Pages of the members of one level, over all buckets, by rising points and then by user."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from services.member_level import cursors, failures
from services.member_level.cursors import ListCursor
from services.rules.ladder import ABOVE_ALL_POINTS
from services.runtime.cursor_text import CursorError
from services.store.batches import batched
from services.store.keys import Bucket, Buckets
from services.store.pace import Turn, at_once
from services.user_state.indexes import BUCKETS_AT_A_TIME, Indexes, Span

# Members that are read of every index at first: nearly always, no index has more on the page.
_FIRST_READ = 2
# Members that one round trip reads, and indexes that it reads them from.
_MEMBERS_AT_A_TIME = 1_000
_INDEXES_AT_A_TIME = 2 * BUCKETS_AT_A_TIME


class ListedMember(NamedTuple):
    """A member on a page. The order of user ids is the same by characters and by bytes."""

    points: int
    user: str
    manual: bool


class LevelPage(NamedTuple):
    """The members of a page, and the cursor of the next one; empty on the last page."""

    members: Sequence[ListedMember]
    next_cursor: str


@dataclass
class _Source:
    """One index of one bucket, and the members that have been read of it so far."""

    bucket: Bucket
    span: Span
    after: str
    read: list[ListedMember] = field(default_factory=list)
    is_finished: bool = False

    @property
    def place(self) -> tuple[Bucket, Sequence[Span], str]:
        if not self.read:
            return self.bucket, [self.span], self.after
        last = self.read[-1]
        return self.bucket, [self.span._replace(least=last.points)], last.user


class LevelPages:
    """Every method raises redis.RedisError if the store is unavailable."""

    def __init__(self, indexes: Indexes, buckets: Buckets, turn: Turn = at_once) -> None:
        self._indexes = indexes
        self._buckets = buckets
        self._turn = turn

    def page(
        self, level: int, min_points: int, size: int, cursor: str, proceed: Callable[[], None]
    ) -> LevelPage:
        """Up to `size` members, earned and manual.

        `proceed` is called before each round trip, and ends the work by raising. Raises Failure
        for an invalid cursor.
        """
        least, after = max((min_points, ""), _start(level, cursor))
        sources = [
            _Source(bucket, Span(manual, level, least, ABOVE_ALL_POINTS), after)
            for bucket in self._buckets.all()
            for manual in (False, True)
        ]
        # One more shows whether there is another page.
        found = self._first(sources, size + 1, proceed)
        members = found[:size]
        is_last = len(found) <= size
        next_cursor = "" if is_last else _cursor(level, members[-1])
        return LevelPage(members, next_cursor)

    def _first(
        self, sources: Sequence[_Source], count: int, proceed: Callable[[], None]
    ) -> list[ListedMember]:
        """The first `count` members of all sources.

        A source is read further only while its last member may not be the last one that is wanted.
        A source that was read `limit` members deep has that many of the wanted ones, so the number
        of such sources falls as the limit rises, and their sum stays bounded.
        """
        limit = _FIRST_READ + 2 * count // self._buckets.count
        unfinished = sources
        while unfinished:
            self._read(unfinished, limit, proceed)
            found = heapq.nsmallest(count, chain.from_iterable(each.read for each in sources))
            is_full = len(found) == count
            unfinished = [
                each
                for each in unfinished
                if not each.is_finished and not (is_full and each.read[-1] >= found[-1])
            ]
            limit = min(4 * limit, count)
        return found

    def _read(self, sources: Sequence[_Source], limit: int, proceed: Callable[[], None]) -> None:
        at_a_time = max(1, min(_INDEXES_AT_A_TIME, _MEMBERS_AT_A_TIME // limit))
        for some in batched(sources, at_a_time):
            with self._turn(proceed):
                pages = self._indexes.pages([each.place for each in some], limit)
            for source, entries in zip(some, pages, strict=True):
                manual = source.span.manual
                source.read += [ListedMember(each.points, each.user, manual) for each in entries]
                source.is_finished = len(entries) < limit


def _start(level: int, cursor: str) -> tuple[int, str]:
    """The points and the user after whom the page starts."""
    if not cursor:
        return 0, ""
    try:
        last = cursors.read_list_cursor(cursor)
    except CursorError:
        raise failures.cursor_invalid() from None
    if last.level != level:
        raise failures.cursor_invalid()
    return last.points, last.user


def _cursor(level: int, last: ListedMember) -> str:
    return cursors.list_cursor(ListCursor(level, last.points, last.user))
