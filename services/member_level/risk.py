"""Pages of the members who are near to losing their level."""

from collections.abc import Iterator

from levelgate.member.v1 import demotion_pb2 as pb
from services.member_level import cursors, failures
from services.member_level.cursors import CursorError, RiskCursor
from services.rules.ladder import Ladder
from services.store.keys import Bucket
from services.user_state.crowd import Crowd, Place, Span

_MAX_POINTS = 2**31 - 1
# Places that are asked in one round trip.
_MOST_AT_A_TIME = 256


class RiskPages:
    """The order is bucket by bucket, by rising level, points and user; it survives changes."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd

    def page(self, ladder: Ladder, points: int, size: int, cursor: str) -> pb.AtRiskPage:
        """Members whose points are at most `points` - 1 above the floor of their earned level.

        Raises Failure for a cursor that is none.
        """
        left = list(self._from(ladder, points, self._read(cursor)))
        page = pb.AtRiskPage()
        at_a_time = 1
        while left:
            asked, left = left[:at_a_time], left[at_a_time:]
            found = self._crowd.pages(asked, size - len(page.members))
            for (bucket, span, _), members in zip(asked, found, strict=True):
                for user, has in members[: size - len(page.members)]:
                    margin = has - span.least
                    page.members.add(user_id=user, level=span.level, points=has, margin=margin)
                if len(page.members) == size:
                    last = page.members[-1]
                    where = RiskCursor(bucket.number, span.level, last.points, last.user_id)
                    page.next_cursor = cursors.risk_cursor(where)
                    return page
            # Where few are at risk most places are empty; where many are, the next is enough.
            at_a_time = 1 if any(found) else min(2 * at_a_time, _MOST_AT_A_TIME)
        return page

    def _from(
        self, ladder: Ladder, points: int, start: RiskCursor | None
    ) -> Iterator[tuple[Bucket, Span, Place | None]]:
        """What is left of the store behind the cursor."""
        for bucket in self._crowd.buckets.all()[start.bucket if start else 0 :]:
            is_here = start is not None and bucket.number == start.bucket
            # The lowest level cannot be lost.
            for rule in ladder.rules[1:]:
                least = rule.down_point
                span = Span(False, rule.level, least, min(least + points, _MAX_POINTS + 1))
                if start is None or not is_here or rule.level > start.level:
                    yield bucket, span, None
                elif rule.level == start.level:
                    # The rule may have moved since: never before its floor.
                    behind = Place(start.points, start.user)
                    yield bucket, span, behind if start.points >= least else None

    def _read(self, cursor: str) -> RiskCursor | None:
        if not cursor:
            return None
        try:
            start = cursors.read_risk_cursor(cursor)
        except CursorError:
            raise failures.cursor_invalid() from None
        if start.bucket >= self._crowd.buckets.count:
            raise failures.cursor_invalid()
        return start
