"""The RPCs of Eligibility that find users: a search as a stream, in pages, and as a count."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from levelgate.access.v1.reason_pb2 import REASON_CURSOR_INVALID, REASON_SHUTTING_DOWN
from levelgate.upbot.v1 import eligibility_pb2 as pb
from services.runtime.admission import Admission
from services.runtime.call import Context
from services.runtime.cancellation import require_caller
from services.runtime.cursor_text import CursorError
from services.runtime.errors import Failure, Violation
from services.upbot_checks.eligibility.condition import Condition
from services.upbot_checks.eligibility.counting import Counting
from services.upbot_checks.eligibility.limits import MOST_VALUES_OF_ONE, require_within_limits
from services.upbot_checks.eligibility.parse import parse_condition
from services.upbot_checks.eligibility.search import Searches
from services.upbot_checks.eligibility.search_cursor import (
    Position,
    read_search_cursor,
    search_cursor,
)

# Users in a message of a stream.
_MOST_USERS = 1_000
_DEFAULT_PAGE_SIZE = 100
# How long a page reads, and how often a stream sends a message at least.
_SECONDS = 1.0


class _Found(NamedTuple):
    """Some users, and where the search continues after them; None at the end."""

    users: list[str]
    position: Position | None


class Audience:
    """Implements FindUsers, FindUsersPage and CountUsers of levelgate.upbot.v1.Eligibility."""

    def __init__(
        self,
        searches: Searches,
        counting: Counting,
        streams: Admission,
        stopping: threading.Event,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`streams` limits the searches among all streams, so that they leave room for others."""
        self._searches = searches
        self._counting = counting
        self._streams = streams
        self._stopping = stopping
        self._now = now

    def stream(
        self, request: pb.FindUsersRequest, context: Context
    ) -> Iterator[pb.FindUsersResponse]:
        def proceed() -> None:
            require_caller(context)
            if self._stopping.is_set():
                raise Failure(REASON_SHUTTING_DOWN)

        message = request.condition
        condition, start = _parsed(message), self._start(message, request.cursor)
        with self._streams.slot():
            for found in self._found(condition, start, _MOST_USERS, proceed):
                yield pb.FindUsersResponse(data=self._progress(message, found))

    def page(self, request: pb.FindUsersPageRequest, context: Context) -> pb.FindUsersPageResponse:
        message = request.condition
        condition, start = _parsed(message), self._start(message, request.cursor)
        size = request.page_size if request.HasField("page_size") else _DEFAULT_PAGE_SIZE
        pages = self._found(condition, start, size, partial(require_caller, context))
        # A page that ended where it began would be the same again, without end.
        page = next(each for each in pages if each.position != start)
        return pb.FindUsersPageResponse(data=self._progress(message, page))

    def count(self, request: pb.CountUsersRequest, context: Context) -> pb.CountUsersResponse:
        condition = _parsed(request.condition)
        how = self._counting.estimate if request.estimate else self._counting.count
        found = how(condition, partial(require_caller, context))
        data = pb.UserCount(users=found.users, estimated=found.is_estimated, error=found.error)
        return pb.CountUsersResponse(data=data)

    def _found(
        self, condition: Condition, start: Position, size: int, proceed: Callable[[], None]
    ) -> Iterator[_Found]:
        """Yields up to `size` users at a time, and what there is after about a second."""
        users: list[str] = []
        position, since = start, self._now()
        buckets = self._searches.buckets.all()[start.bucket :]
        visited = self._searches.visited_by(condition)
        for searched in self._searches.search(condition, visited, buckets, proceed):
            if searched is not None:
                number = searched.bucket.number
                after = start.user if number == start.bucket else ""
                for user in searched.users:
                    if user <= after:
                        continue
                    users.append(user)
                    if len(users) == size:
                        yield _Found(users, Position(number, user))
                        users, since = [], self._now()
                position = Position(number + 1)
            if self._now() - since >= _SECONDS and position.bucket < self._searches.buckets.count:
                yield _Found(users, position)
                users, since = [], self._now()
        yield _Found(users, None)

    def _progress(self, condition: pb.Condition, found: _Found) -> pb.SearchProgress:
        if found.position is None:
            return pb.SearchProgress(openids=found.users, percent=100)
        return pb.SearchProgress(
            openids=found.users,
            next_cursor=search_cursor(condition, found.position),
            percent=100 * found.position.bucket // self._searches.buckets.count,
        )

    def _start(self, condition: pb.Condition, cursor: str) -> Position:
        try:
            return read_search_cursor(condition, cursor, self._searches.buckets)
        except CursorError:
            description = "must be empty, or a cursor that a search with this condition returned"
            violations = [Violation("cursor", description, "cursor")]
            message = f"cursor: {description}"
            raise Failure(REASON_CURSOR_INVALID, message, violations) from None


def _parsed(message: pb.Condition) -> Condition:
    """Raises Failure for a condition that needs too many values of each user."""
    condition = parse_condition(message)
    require_within_limits([""], condition.needs(), None, MOST_VALUES_OF_ONE)
    return condition
