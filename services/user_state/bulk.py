"""Many users at once: demotion, import and export.

Everything goes bucket by bucket in small steps, so that none of it holds the store for long.
"""

import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from services.rules.thresholds import Fall, Steps
from services.store.batches import batched
from services.store.keys import Bucket, Buckets
from services.store.store import Store, Value
from services.user_state.feed import Feed, FeedAheadError, FeedGapError
from services.user_state.indexes import Entry, Indexes, Span
from services.user_state.record import Record, unpack
from services.user_state.rows import Row
from services.user_state.scripts import Kept, Scripts

# Users that one call of a script changes: about 1 ms of the store's time.
BATCH = 32
# Buckets that a demotion changes in one round trip.
DEMOTED_AT_A_TIME = 5
# Levels that one call of the script looks for users in: every level that ever had a rule may still
# have members, and each costs the store about a microsecond.
_FALLS_AT_A_TIME = 250
_FALL = struct.Struct(">II")
# Buckets that are written in one round trip; the store serves others in between.
_BUCKETS_AT_A_TIME = 128
_PAGE = 1_000
# Indexes that one call of page.lua looks into, about 2 us for each that is empty.
_SPANS_AT_A_TIME = 64


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
        self,
        buckets: Iterable[Bucket],
        steps: Steps,
        falls: Sequence[Fall],
        run: str,
        app: str = "",
    ) -> list[Demoted]:
        """Re-fits up to BATCH users of each bucket to their points, who lose their level by these
        falls or are past their protection. Never raises; without steps nobody moves.

        Others may have to wait for each round trip: DEMOTED_AT_A_TIME buckets are enough.
        """
        demoted = {bucket: Demoted(0, 0) for bucket in buckets}
        for some in list(batched(falls, _FALLS_AT_A_TIME)) or [()]:
            packed = b"".join(_FALL.pack(*fall) for fall in some)
            unfinished = [bucket for bucket, done in demoted.items() if done.now < BATCH]
            calls = []
            for bucket in unfinished:
                limit = BATCH - demoted[bucket].now
                keys, arguments = self._scripts.on_bucket(
                    bucket, app, limit, steps.packed, steps.version, run, packed
                )
                calls.append(([*keys, bucket.demoted], arguments))
            answers = self._scripts.demote.many(calls)
            for bucket, (now, of_run) in zip(unfinished, answers, strict=True):
                demoted[bucket] = Demoted(demoted[bucket].now + int(now), int(of_run))
        return list(demoted.values())

    def demoted_by(self, run: str) -> int:
        """How many users a run re-fitted, in the last day."""
        found = self._store.get_many([bucket.demoted for bucket in self.buckets.all()])
        noted = ((each or b"").rpartition(b":") for each in found)
        return sum(int(count) for of_run, _, count in noted if of_run == run.encode())

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
        self, buckets: Sequence[Bucket], levels: Iterable[int], after: str = ""
    ) -> Iterator[tuple[Bucket, str, Record]]:
        """Every user of these buckets once, bucket by bucket and by name, as it is when it is read;
        of the first bucket those after a name. BUCKETS_AT_A_TIME are enough.

        Nobody is missed who moves from one index to another meanwhile: the feed says who moved.
        """
        names = self._names(buckets, list(levels))
        names[0] = {name for name in names[0] if name > after}
        pairs = zip(buckets, names, strict=True)
        found = [(bucket, name) for bucket, users in pairs for name in sorted(users)]
        for batch in batched(found, _PAGE):
            packed = self._store.get_many([bucket.record(name) for bucket, name in batch])
            for (bucket, name), record in zip(batch, packed, strict=True):
                if record is not None:
                    yield bucket, name, unpack(record)

    def _names(self, buckets: Sequence[Bucket], levels: Sequence[int]) -> list[set[str]]:
        feed = Feed(self._store, self.buckets)
        names: dict[Bucket, set[str]] = {}
        left = list(buckets)
        while left:
            before = feed.versions(left)
            names |= zip(left, self._indexed(left, levels), strict=True)
            after = feed.versions(left)
            changed = [each for each in zip(left, before, after, strict=True) if each[1] != each[2]]
            left = []
            for bucket, version, _ in changed:
                try:
                    names[bucket].update(user for user, _ in feed.changes(bucket, version))
                except (FeedGapError, FeedAheadError):
                    left.append(bucket)  # more changed meanwhile than the feed keeps
        return [names[bucket] for bucket in buckets]

    def _indexed(self, buckets: Sequence[Bucket], levels: Sequence[int]) -> list[set[str]]:
        """Who is in the indexes of each bucket."""
        names: list[set[str]] = [set() for _ in buckets]
        every = [Span(hand, level, 0, 2**31) for level in levels for hand in (False, True)]
        share = max(1, _PAGE // len(buckets))
        for spans in batched(every, _SPANS_AT_A_TIME):
            pages = self.indexes.pages([(bucket, spans, "") for bucket in buckets], share)
            for bucket, found, page in zip(buckets, names, pages, strict=True):
                found.update(entry.user for entry in page)
                if len(page) == share:
                    found.update(self._rest(bucket, spans, page[-1]))
        return names

    def _rest(self, bucket: Bucket, spans: Sequence[Span], last: Entry) -> Iterator[str]:
        while True:
            first, *others = spans[last.span :]
            spans = [first._replace(least=last.points), *others]
            (page,) = self.indexes.pages([(bucket, spans, last.user)], _PAGE)
            yield from (entry.user for entry in page)
            if len(page) < _PAGE:
                return
            last = page[-1]
