"""A search: all users who satisfy a condition, bucket by bucket and by name within a bucket.

A bucket is read as a whole before its users are returned. So a user who moves from one index to
another meanwhile is returned once, and a cursor is a bucket and a name.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from services.rules.rule_book import RuleBook
from services.store.batches import batched
from services.store.keys import Bucket, Buckets
from services.store.pace import Pace
from services.store.store import Store
from services.upbot_checks.eligibility.condition import Condition
from services.upbot_checks.eligibility.visits import Place, Visited, Visits
from services.user_state.indexes import Indexes

# Buckets in the first round trip. A page can only end after the buckets that are read together, and
# with eight of them a page of a costly condition reached its deadline without any progress.
_FIRST_BUCKETS = 1
# Buckets in one round trip. Those without users cost the store about 30 us each.
_MOST_BUCKETS = 64


class Searched(NamedTuple):
    """A bucket that has been read."""

    bucket: Bucket
    users: list[str]
    """Those who satisfy the condition, by name."""
    visited: int
    """How many index entries were read."""


class Searches:
    """Every method raises redis.RedisError if the store is not available.

    `proceed` is called before each round trip, and stops the search if it raises.
    """

    def __init__(self, store: Store, buckets: Buckets, rules: RuleBook, pace: Pace) -> None:
        self.buckets = buckets
        self.indexes = Indexes(store, buckets, turn=pace.turn)
        self._store = store
        self._rules = rules
        self._pace = pace

    def visited_by(self, condition: Condition) -> Visited:
        """The users that a search for this condition visits, according to the current rules."""
        return Visited.by(condition, self._rules.book().levels)

    def search(
        self,
        condition: Condition,
        visited: Visited,
        buckets: Sequence[Bucket],
        proceed: Callable[[], None],
    ) -> Iterator[Searched | None]:
        """Searches these buckets in order. None says that more round trips are needed."""
        visits = Visits(self._store, condition, visited)
        left, size = list(buckets), _FIRST_BUCKETS
        while left:
            some, left = left[:size], left[size:]
            rounds = 1
            for each in self._search(visits, some, proceed):
                rounds += each is None
                yield each
            # Large buckets are read one by one, because their users are in memory meanwhile. Of
            # small ones many fit into a round trip.
            if rounds > size:
                size = max(1, size // 2)
            elif rounds == 1:
                size = min(2 * size, _MOST_BUCKETS)

    def _search(
        self, visits: Visits, buckets: Sequence[Bucket], proceed: Callable[[], None]
    ) -> Iterator[Searched | None]:
        found: dict[Bucket, set[str]] = {bucket: set() for bucket in buckets}
        visited = dict.fromkeys(buckets, 0)
        places = [Place(bucket) for bucket in buckets] if any(visits.visited) else []
        while places:
            with self._pace.turn(proceed):
                pages = visits.read(places)
            for place, page in zip(places, pages, strict=True):
                found[place.bucket].update(page.users)
                visited[place.bucket] += page.visited
            places = [page.next for page in pages if page.next is not None]
            if places:
                yield None
        for bucket, users in found.items():
            yield Searched(bucket, sorted(users), visited[bucket])

    def fact_users(self, proceed: Callable[[], None]) -> int:
        """How many users have facts."""
        users = 0
        for some in batched(self.buckets.all(), 128):
            with self._pace.turn(proceed), self._store.pipeline(transaction=False) as pipeline:
                for bucket in some:
                    pipeline.execute_command("ZCARD", bucket.fact_users)
                users += sum(pipeline.execute())
        return users
