"""Pages of the members who are close to losing their level."""

from collections.abc import Callable, Iterator, Sequence

from levelgate.member.v1 import demotion_pb2 as pb
from services.member_level import cursors, failures
from services.member_level.cursors import AtRiskCursor
from services.member_level.standing import margin
from services.rules.rule_book import Book
from services.runtime.cursor_text import CursorError
from services.store.batches import batched
from services.store.keys import Bucket
from services.user_state.bulk import BulkUsers
from services.user_state.indexes import BUCKETS_AT_A_TIME, Span, question_of

# One call of the script searches this many levels of a bucket.
_SPANS_AT_A_TIME = 100
# A bucket, its spans, and the user after whom the first span starts.
_Place = tuple[Bucket, Sequence[Span], str]


class AtRiskPages:
    """The order is by bucket, then by rising level, points and user; changes do not disturb it."""

    def __init__(self, bulk: BulkUsers) -> None:
        self._buckets = bulk.buckets
        self._indexes = bulk.indexes

    def page(
        self, book: Book, points: int, size: int, cursor: str, proceed: Callable[[], None]
    ) -> pb.AtRiskPage:
        """Members who lose their earned level if they lose `points`; of a level without a rule
        also the members who lose it in any case.

        `proceed` is called before each round trip, and ends the work by raising. Raises Failure
        for an invalid cursor.
        """
        lowest_points = dict(book.demotion_thresholds)
        has_rule = {rule.level for rule in book.ladder.rules}
        spans = [
            Span(False, level, below if level in has_rule else 0, below + points)
            for level, below in lowest_points.items()
        ]
        page = pb.AtRiskPage()
        for places in self._places(spans, size, self._read(cursor), proceed):
            found = self._indexes.pages(places, size - len(page.members))
            for (bucket, asked, _), entries in zip(places, found, strict=True):
                for span, user, has in entries:
                    level = asked[span].level
                    left = margin(has, lowest_points[level])
                    page.members.add(user_id=user, level=level, points=has, margin=left)
                    if len(page.members) == size:
                        last = AtRiskCursor(bucket.number, level, has, user)
                        page.next_cursor = cursors.at_risk_cursor(last)
                        return page
        return page

    def _places(
        self,
        spans: Sequence[Span],
        size: int,
        start: AtRiskCursor | None,
        proceed: Callable[[], None],
    ) -> Iterator[list[_Place]]:
        """Yields what to read in each round trip, to the end of the store."""
        buckets = self._buckets.all()
        if start is not None:
            rest, after = _rest(spans, start)
            yield from self._non_empty(rest, size, proceed, [buckets[start.bucket]], after)
            buckets = buckets[start.bucket + 1 :]
        yield from self._non_empty(spans, size, proceed, buckets)

    def _non_empty(
        self,
        spans: Sequence[Span],
        size: int,
        proceed: Callable[[], None],
        buckets: Sequence[Bucket],
        after: str = "",
    ) -> Iterator[list[_Place]]:
        # Counting first finds the few buckets and levels that have members, and keeps a round trip
        # from reading many more members than the page takes.
        places: list[_Place] = []
        users = 0
        for counted in self._indexes.count(question_of(spans), proceed, buckets):
            for some in batched(counted.stretches, _SPANS_AT_A_TIME):
                begins_after = after if some[0][0] == 0 else ""
                places.append((counted.bucket, [spans[number] for number, _ in some], begins_after))
                users += sum(count for _, count in some)
                if users >= size or len(places) == BUCKETS_AT_A_TIME:
                    yield places
                    places, users = [], 0
        if places:
            yield places

    def _read(self, cursor: str) -> AtRiskCursor | None:
        if not cursor:
            return None
        try:
            start = cursors.read_at_risk_cursor(cursor)
        except CursorError:
            raise failures.cursor_invalid() from None
        if start.bucket >= self._buckets.count:
            raise failures.cursor_invalid()
        return start


def _rest(spans: Sequence[Span], start: AtRiskCursor) -> tuple[Sequence[Span], str]:
    """The spans of the bucket from the cursor on, and the user to start after."""
    left = [span for span in spans if span.level >= start.level]
    if not left or left[0].level > start.level or start.points < left[0].least:
        # The cursor's level can no longer be lost, or its lowest points have risen above the
        # cursor: start at the beginning of the first span.
        return left, ""
    return [left[0]._replace(least=start.points), *left[1:]], start.user
