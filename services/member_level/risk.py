"""Pages of the members who are near to losing their level."""

from collections.abc import Callable, Iterator, Sequence

from levelgate.member.v1 import demotion_pb2 as pb
from services.member_level import cursors, failures
from services.member_level.cursors import CursorError, RiskCursor
from services.rules.ladder import Ladder
from services.store.keys import Bucket
from services.user_state.crowd import Crowd
from services.user_state.indexes import BUCKETS_AT_A_TIME, Question, Range, Span

# A bucket, its spans, and the user after whom the first one starts.
_Place = tuple[Bucket, Sequence[Span], str]


class RiskPages:
    """The order is bucket by bucket, by rising level, points and user; it survives changes."""

    def __init__(self, crowd: Crowd) -> None:
        self._buckets = crowd.buckets
        self._indexes = crowd.indexes

    def page(
        self, ladder: Ladder, points: int, size: int, cursor: str, proceed: Callable[[], None]
    ) -> pb.AtRiskPage:
        """Members whose points are at most `points` - 1 above the floor of their earned level.

        `proceed` is called between the steps, and ends the work by raising. Raises Failure for a
        cursor that is none.
        """
        floors = {rule.level: rule.down_point for rule in ladder.rules}
        # The lowest level cannot be lost.
        spans = [
            Span(False, rule.level, rule.down_point, rule.down_point + points)
            for rule in ladder.rules[1:]
        ]
        page = pb.AtRiskPage()
        for places in self._places(spans, size, self._read(cursor), proceed):
            found = self._indexes.pages(places, size - len(page.members))
            for (bucket, asked, _), entries in zip(places, found, strict=True):
                for span, user, has in entries:
                    level = asked[span].level
                    margin = has - floors[level]
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
            if rest := _rest(buckets[start.bucket], spans, start):
                proceed()
                yield [rest]
            buckets = buckets[start.bucket + 1 :]
        # Counting first finds the few buckets that have somebody, and keeps a round trip from
        # bringing many more members than the page takes.
        places: list[_Place] = []
        users = 0
        for counted in self._indexes.count(_question(spans), proceed, buckets):
            if counted.stretches:
                places.append((counted.bucket, spans, ""))
                users += sum(count for _, count in counted.stretches)
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


def _rest(bucket: Bucket, spans: Sequence[Span], start: RiskCursor) -> _Place | None:
    """What is left of the bucket after the cursor; None if nothing is."""
    left = [span for span in spans if span.level >= start.level]
    if not left:
        return None
    if left[0].level > start.level or start.points < left[0].least:
        # The level lost its rule since, or its floor has risen above the cursor.
        return bucket, left, ""
    return bucket, [left[0]._replace(least=start.points), *left[1:]], start.user


def _question(spans: Sequence[Span]) -> Question:
    bounds = [bound for span in spans for bound in (span.least, span.before)]
    ranges = (Range(False, span.level, 2 * at, 2 * at + 1) for at, span in enumerate(spans))
    return Question(bounds, ranges)
