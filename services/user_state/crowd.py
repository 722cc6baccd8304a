"""Many users at once: demotion, import and export.

Everything goes bucket by bucket in small steps, so that none of it holds the store for long.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from services.store.batches import batched
from services.store.keys import Bucket, Buckets
from services.store.store import Store, Value
from services.user_state.feed import Feed, FeedGapError
from services.user_state.indexes import Indexes, Place, Span
from services.user_state.record import Record, unpack
from services.user_state.rows import Row
from services.user_state.scripts import Kept, Scripts
from services.user_state.steps import Steps

# Users that one call of a script changes: about 1 ms of the store's time.
BATCH = 32
# Buckets that a demotion changes in one round trip.
DEMOTED_AT_A_TIME = 5
# Buckets that are written in one round trip; the store serves others in between.
_BUCKETS_AT_A_TIME = 128
_PAGE = 1_000


class Demoted(NamedTuple):
    """What one call of demote.lua did."""

    now: int
    """Users re-fitted by this call; fewer than BATCH: no more are due in the bucket."""
    of_run: int
    """Users that the run re-fitted in this bucket in all, whichever process drove it."""


class Crowd:
    """Every method raises redis.RedisError where the store does not serve."""

    def __init__(
        self,
        store: Store,
        buckets: Buckets,
        kept: Kept = Kept(),  # noqa: B008  (immutable)
        now: Callable[[], float] = time.time,
    ) -> None:
        self.buckets = buckets
        self._store = store
        self._scripts = Scripts(store, kept, now)
        self.indexes = Indexes(store, buckets, self._scripts, now)

    def demote(
        self, buckets: Iterable[Bucket], steps: Steps, run: str, app: str = ""
    ) -> list[Demoted]:
        """Re-fits up to BATCH users of each bucket to their points, who are below the floor of
        their level or past their protection. Never raises; without steps nobody moves.

        One round trip, for which others may have to wait: DEMOTED_AT_A_TIME buckets are enough.
        """
        calls = []
        for bucket in buckets:
            keys, arguments = self._scripts.on_bucket(
                bucket, app, BATCH, steps.packed, steps.version, run
            )
            calls.append(([*keys, bucket.demoted], arguments))
        return [Demoted(int(now), int(of_run)) for now, of_run in self._scripts.demote.many(calls)]

    def demoted_by(self, run: str) -> int:
        """How many users a run re-fitted, in the last day."""
        found = self._store.get_many([bucket.demoted for bucket in self.buckets.all()])
        noted = ((each or b"").rpartition(b":") for each in found)
        return sum(int(count) for of_run, _, count in noted if of_run == run.encode())

    def read(self, bucket: Bucket, users: Sequence[str]) -> list[Record | None]:
        """The records of users of one bucket."""
        found = self._store.get_many([bucket.record(user) for user in users])
        return [None if packed is None else unpack(packed) for packed in found]

    def write(self, rows: Iterable[Row], steps: Steps, app: str = "") -> int:
        """Makes users what the rows say; of two rows for one user the later holds.

        Returns how many it changed; those who already were so are left alone.
        """
        by_bucket: dict[int, list[bytes]] = {}
        for row in {row.user: row for row in rows}.values():
            by_bucket.setdefault(self.buckets.number_of(row.user), []).append(row.packed())
        written = 0
        for group in batched(by_bucket.items(), _BUCKETS_AT_A_TIME):
            calls = [
                self._scripts.on_bucket(Bucket(number), app, steps.packed, steps.version, *batch)
                for number, packed in group
                for batch in batched(packed, BATCH)
            ]
            written += sum(int(count) for count in self._scripts.import_.many(calls))
        return written

    def restore(self, records: Iterable[tuple[str, bytes]], version: int) -> None:
        """Puts packed records back as they were, in a store without users.

        Every bucket goes on from `version`, the highest of the store that they come from.
        """
        by_bucket: list[list[Value]] = [[] for _ in range(self.buckets.count)]
        for user, packed in records:
            by_bucket[self.buckets.number_of(user)] += (user, packed)
        calls = [
            self._scripts.on_bucket(Bucket(number), "", version, *part)
            for number, pairs in enumerate(by_bucket)
            for part in list(batched(pairs, 2 * BATCH)) or [()]
        ]
        for group in batched(calls, _BUCKETS_AT_A_TIME):
            self._scripts.restore.many(group)

    def users(
        self, bucket: Bucket, levels: Iterable[int], after: str = ""
    ) -> Iterator[tuple[str, Record]]:
        """Every user of a bucket behind a name once, by name, as it is when it is read.

        Nobody is missed who moves from one index to another meanwhile: the feed tells who moved.
        """
        names = sorted(name for name in self._names(bucket, list(levels)) if name > after)
        for batch in batched(names, _PAGE):
            for name, record in zip(batch, self.read(bucket, batch), strict=True):
                if record is not None:
                    yield name, record

    def _names(self, bucket: Bucket, levels: Sequence[int]) -> set[str]:
        feed = Feed(self._store, self.buckets)
        while True:
            before = feed.version(bucket)
            names = set(self._indexed(bucket, levels))
            try:
                names.update(user for user, _ in feed.changes(bucket, before))
            except FeedGapError:
                continue  # more changed meanwhile than the feed keeps
            return names

    def _indexed(self, bucket: Bucket, levels: Sequence[int]) -> Iterator[str]:
        for level in levels:
            for by_hand in (False, True):
                span, place = Span(by_hand, level, 0, 2**31), None
                while page := self.indexes.page(bucket, span, place, _PAGE):
                    yield from (entry.user for entry in page)
                    place = Place(page[-1].points, page[-1].user)
