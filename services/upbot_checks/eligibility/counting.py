"""Counts the users who satisfy a condition: from the indexes, by a search, or by a sample."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from services.store.batches import batched
from services.store.keys import Bucket
from services.upbot_checks.eligibility.condition import Condition
from services.upbot_checks.eligibility.estimate import Sampled, estimate
from services.upbot_checks.eligibility.search import Searched, Searches
from services.upbot_checks.eligibility.visited import points_that_may_hold
from services.upbot_checks.eligibility.visits import Visited
from services.user_state.indexes import Span, question_of

# Buckets in a sample. The sample ends earlier if it takes long, but not before the lower number.
_LEAST_SAMPLE, _MOST_SAMPLE = 32, 128
_SAMPLE_SECONDS = 1.0
# Of so few users, all are read: a sample would say little about them.
_FEW_USERS = 10_000


class Count(NamedTuple):
    """The number of users. `error` is 0 unless the number is an estimate."""

    users: int
    is_estimated: bool = False
    error: int = 0


class Counting:
    """Every method raises redis.RedisError if the store is not available.

    `proceed` is called before each round trip, and stops the work if it raises.
    """

    def __init__(
        self,
        searches: Searches,
        now: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._searches = searches
        self._now = now
        self._chance = chance or random.Random()  # noqa: S311  (a sample, not a secret)

    def count(self, condition: Condition, proceed: Callable[[], None]) -> Count:
        """The exact number. Without parts about facts, no member is read."""
        visited = self._searches.visited_by(condition)
        if _reads_facts(condition):
            return Count(self._found(condition, visited, proceed))
        spans = [
            Span(manual, level, least, before)
            for level in sorted({span.level for span in visited.spans})
            for least, before in points_that_may_hold(condition, level)
            for manual in (False, True)
        ]
        members = self._members(spans, proceed)
        # Users who are no members have facts; such a condition holds for all of them or for none.
        others = Visited([], visited.others)
        return Count(members + self._found(condition, others, proceed))

    def estimate(self, condition: Condition, proceed: Callable[[], None]) -> Count:
        """An estimate from a random sample of the buckets; exact where that costs little."""
        if not _reads_facts(condition):
            return self.count(condition, proceed)
        visited = self._searches.visited_by(condition)
        buckets = self._searches.buckets.all()
        everybody = self._members(visited.spans, proceed)
        if visited.others:
            everybody += self._searches.fact_users(proceed)
        if everybody <= _FEW_USERS:
            return Count(self._found(condition, visited, proceed))
        size = min(_MOST_SAMPLE, len(buckets))
        chosen = self._chance.sample(buckets, size)
        sample = [
            Sampled(max(each.visited, len(each.users)), len(each.users))
            for each in self._sampled(condition, visited, chosen, proceed)
        ]
        found = estimate(sample, everybody, len(buckets))
        return Count(found.users, len(sample) < len(buckets), found.error)

    def _members(self, spans: Sequence[Span], proceed: Callable[[], None]) -> int:
        if not spans:
            return 0
        counted = self._searches.indexes.count(question_of(spans), proceed)
        return sum(users for each in counted for _, users in each.stretches)

    def _found(self, condition: Condition, visited: Visited, proceed: Callable[[], None]) -> int:
        buckets = self._searches.buckets.all() if any(visited) else []
        found = self._searches.search(condition, visited, buckets, proceed)
        return sum(len(each.users) for each in found if each is not None)

    def _sampled(
        self,
        condition: Condition,
        visited: Visited,
        buckets: Sequence[Bucket],
        proceed: Callable[[], None],
    ) -> Iterator[Searched]:
        ends = self._now() + _SAMPLE_SECONDS
        for some in batched(buckets, _LEAST_SAMPLE):
            for each in self._searches.search(condition, visited, some, proceed):
                if each is not None:
                    yield each
            if self._now() > ends:
                return


def _reads_facts(condition: Condition) -> bool:
    needs = condition.needs()
    return bool(needs.stars or needs.games)
