"""Pages of the members who are near to losing their level."""

from collections.abc import Callable, Iterator, Sequence

from levelgate.member.v1 import demotion_pb2 as pb
from services.member_level import cursors, failures
from services.member_level.cursors import CursorError, RiskCursor
from services.rules.rule_book import Book
from services.store.batches import batched
from services.store.keys import Bucket
from services.user_state.bulk import BulkUsers
from services.user_state.indexes import BUCKETS_AT_A_TIME, Question, Range, Span

# Of a member whom the next demotion lowers although no more points go.
_LOST = -1
# One script looks into so many levels of a bucket.
_SPANS_AT_A_TIME = 100
# A bucket, its spans, and the user after whom the first one starts.
_Place = tuple[Bucket, Sequence[Span], str]


class RiskPages:
    """The order is bucket by bucket, by rising level, points and user; it survives changes."""

    def __init__(self, bulk: BulkUsers) -> None:
        self._buckets = bulk.buckets
        self._indexes = bulk.indexes

    def page(
        self, book: Book, points: int, size: int, cursor: str, proceed: Callable[[], None]
    ) -> pb.AtRiskPage:
        """Members whose points are at most `points` - 1 above the fewest that keep their earned
        level, and of a level without a rule also those who have fewer.

        `proceed` is called between the steps, and ends the work by raising. Raises Failure for a
        cursor that is none.
        """
        falls = book.demotion_thresholds
        floors = dict(falls)
        has_rule = {rule.level for rule in book.ladder.rules}
        spans = [
            Span(False, level, below if level in has_rule else 0, below + points)
            for level, below in falls
        ]
        page = pb.AtRiskPage()
        for places in self._places(spans, size, self._read(cursor), proceed):
            found = self._indexes.pages(places, size - len(page.members))
            for (bucket, asked, _), entries in zip(places, found, strict=True):
                for span, user, has in entries:
                    level = asked[span].level
                    margin = max(_LOST, has - floors[level])
                    page.members.add(user_id=user, level=level, points=has, margin=margin)
                    if len(page.members) == size:
                        where = RiskCursor(bucket.number, level, has, user)
                        page.next_cursor = cursors.risk_cursor(where)
                        return page
        return page

    def _places(
        self,
        spans: Sequence[Span],
        size: int,
        start: RiskCursor | None,
        proceed: Callable[[], None],
    ) -> Iterator[list[_Place]]:
        """What to ask in each round trip, until the store is gone through."""
        buckets = self._buckets.all()
        if start is not None:
            rest, after = _rest(spans, start)
            yield from self._having(rest, size, proceed, [buckets[start.bucket]], after)
            buckets = buckets[start.bucket + 1 :]
        yield from self._having(spans, size, proceed, buckets)

    def _having(
        self,
        spans: Sequence[Span],
        size: int,
        proceed: Callable[[], None],
        buckets: Sequence[Bucket],
        after: str = "",
    ) -> Iterator[list[_Place]]:
        # Counting first finds the few buckets and levels that have somebody, and keeps a round trip
        # from bringing many more members than the page takes.
        places: list[_Place] = []
        users = 0
        for counted in self._indexes.count(_question(spans), proceed, buckets):
            for some in batched(counted.stretches, _SPANS_AT_A_TIME):
                begins_after = after if some[0][0] == 0 else ""
                places.append((counted.bucket, [spans[number] for number, _ in some], begins_after))
                users += sum(count for _, count in some)
                if users >= size or len(places) == BUCKETS_AT_A_TIME:
                    yield places
                    places, users = [], 0
        if places:
            yield places

    def _read(self, cursor: str) -> RiskCursor | None:
        if not cursor:
            return None
        try:
            start = cursors.read_risk_cursor(cursor)
        except CursorError:
            raise failures.cursor_invalid() from None
        if start.bucket >= self._buckets.count:
            raise failures.cursor_invalid()
        return start


def _rest(spans: Sequence[Span], start: RiskCursor) -> tuple[Sequence[Span], str]:
    """What is left of the bucket after the cursor, and the user to start after."""
    left = [span for span in spans if span.level >= start.level]
    if not left or left[0].level > start.level or start.points < left[0].least:
        # Nobody can lose the level any more, or its floor has risen above the cursor.
        return left, ""
    return [left[0]._replace(least=start.points), *left[1:]], start.user


def _question(spans: Sequence[Span]) -> Question:
    """Each span is one stretch. Levels that lost their rules share few bounds."""
    bounds = {bounds: 2 * at for at, bounds in enumerate(dict.fromkeys(span[2:] for span in spans))}
    ranges = (Range(False, span.level, bounds[span[2:]], bounds[span[2:]] + 1) for span in spans)
    return Question([point for pair in bounds for point in pair], ranges)
