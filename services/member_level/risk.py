"""Pages of the members who are near to losing their level."""

from collections.abc import Iterator

from levelgate.member.v1 import demotion_pb2 as pb
from services.member_level import cursors, failures
from services.member_level.cursors import CursorError, RiskCursor
from services.member_level.ladder import Ladder, Rule
from services.store.keys import Bucket
from services.user_state.crowd import Crowd, Place, Span

_MAX_POINTS = 2**31 - 1


class RiskPages:
    """The order is bucket by bucket, by rising level, points and user; it survives changes."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd

    def page(self, ladder: Ladder, points: int, size: int, cursor: str) -> pb.AtRiskPage:
        """Members whose points are at most `points` - 1 above the floor of their earned level.

        Raises Failure for a cursor that is none.
        """
        start = self._read(cursor)
        page = pb.AtRiskPage()
        for bucket, rule, after in self._from(ladder, start):
            least = rule.down_point
            span = Span(False, rule.level, least, min(least + points, _MAX_POINTS + 1))
            place = after and Place(
                max(after.points, least), after.user if after.points >= least else ""
            )
            found = self._crowd.page(bucket, span, place, size - len(page.members))
            for user, has in found:
                page.members.add(user_id=user, level=rule.level, points=has, margin=has - least)
            if len(page.members) == size:
                last = page.members[-1]
                where = RiskCursor(bucket.number, rule.level, last.points, last.user_id)
                page.next_cursor = cursors.risk_cursor(where)
                break
        return page

    def _from(
        self, ladder: Ladder, start: RiskCursor | None
    ) -> Iterator[tuple[Bucket, Rule, RiskCursor | None]]:
        """What is left of the store; the cursor only with the index that it points into."""
        # The lowest level cannot be lost.
        rules = ladder.rules[1:]
        for bucket in self._crowd.buckets.all()[start.bucket if start else 0 :]:
            for rule in rules:
                is_here = start is not None and bucket.number == start.bucket
                if start is not None and is_here and rule.level < start.level:
                    continue
                is_index = start is not None and is_here and rule.level == start.level
                yield bucket, rule, start if is_index else None

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
