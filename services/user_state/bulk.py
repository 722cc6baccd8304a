"""Many users at once: demotion, import, export and restore.

Everything goes bucket by bucket in small steps, so that the store soon serves other callers again.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from services.rules.thresholds import DEMOTION_THRESHOLD, DemotionThreshold, LevelThresholds
from services.store.batches import batched
from services.store.keys import Bucket, Buckets
from services.store.store import Store, Value
from services.user_state.feed import Feed, FeedAheadError, FeedGapError
from services.user_state.indexes import Entry, Indexes, Span
from services.user_state.record import Record, unpack
from services.user_state.rows import Row
from services.user_state.scripts import Retention, Scripts

# Users that one call of a script changes: about 1 ms of the store's time.
BATCH = 32
# Buckets that a demotion changes in one round trip.
DEMOTED_AT_A_TIME = 5
# Levels in which one call of the script looks for users. Every level that ever had a rule may still
# have members, and each takes about a microsecond of the store's time.
_LEVELS_AT_A_TIME = 250
# Buckets that are written in one round trip; the store serves other callers in between.
_BUCKETS_AT_A_TIME = 128
_PAGE = 1_000
# Indexes that one call of entries.lua reads, about 2 us for each that is empty.
_SPANS_AT_A_TIME = 64


class Demoted(NamedTuple):
    """The result of one step of a demotion in one bucket."""

    now: int
    """Users that this step re-evaluated. Fewer than BATCH means that the bucket is finished."""
    of_run: int
    """Users of this bucket that the whole run re-evaluated, whichever process carried it out."""


class BulkUsers:
    """Every method raises redis.RedisError if the store is unavailable."""

    def __init__(
        self,
        store: Store,
        buckets: Buckets,
        retention: Retention = Retention(),  # noqa: B008  (immutable)
        now: Callable[[], float] = time.time,
    ) -> None:
        self.buckets = buckets
        self._store = store
        self._scripts = Scripts(store, retention, now)
        self.indexes = Indexes(store, buckets, now)

    def demote(
        self,
        buckets: Iterable[Bucket],
        thresholds: LevelThresholds,
        demotion_thresholds: Sequence[DemotionThreshold],
        run: str,
        app: str = "",
    ) -> list[Demoted]:
        """Re-evaluates up to BATCH users of each bucket: those whose points are below a threshold
        and those whose protection has ended. Never raises a level; without rules no level changes.

        Other callers may have to wait for each round trip, so pass at most DEMOTED_AT_A_TIME
        buckets.
        """
        demoted = {bucket: Demoted(0, 0) for bucket in buckets}
        for some in list(batched(demotion_thresholds, _LEVELS_AT_A_TIME)) or [()]:
            packed = b"".join(DEMOTION_THRESHOLD.pack(*each) for each in some)
            unfinished = [bucket for bucket, done in demoted.items() if done.now < BATCH]
            calls = [
                {
                    **self._scripts.shared(bucket, app),
                    "demoted_key": bucket.demoted,
                    **thresholds.arguments,
                    "demotion_thresholds": packed,
                    "limit": BATCH - demoted[bucket].now,
                    "run": run,
                }
                for bucket in unfinished
            ]
            answers = self._scripts.demote.many(calls)
            for bucket, (now, of_run) in zip(unfinished, answers, strict=True):
                demoted[bucket] = Demoted(demoted[bucket].now + int(now), int(of_run))
        return list(demoted.values())

    def demoted_by(self, run: str) -> int:
        """How many users a run of the last day re-evaluated."""
        found = self._store.get_many([bucket.demoted for bucket in self.buckets.all()])
        counts = ((each or b"").rpartition(b":") for each in found)
        return sum(int(count) for of_run, _, count in counts if of_run == run.encode())

    def write(self, rows: Iterable[Row], thresholds: LevelThresholds, app: str = "") -> int:
        """Makes users equal to the rows; of two rows for one user the later one counts.

        Returns how many users it changed; users who already were equal stay unchanged.
        """
        by_bucket: dict[int, list[bytes]] = {}
        for row in {row.user: row for row in rows}.values():
            by_bucket.setdefault(self.buckets.number_of(row.user), []).append(row.packed())
        written, rules = 0, thresholds.arguments
        for group in batched(by_bucket.items(), _BUCKETS_AT_A_TIME):
            calls = [
                {**self._scripts.shared(Bucket(number), app), **rules, "packed_rows": batch}
                for number, packed in group
                for batch in batched(packed, BATCH)
            ]
            written += sum(int(count) for count in self._scripts.import_.many(calls))
        return written

    def restore(self, records: Iterable[tuple[str, bytes]], version: int) -> None:
        """Puts packed records unchanged into a store without users.

        Every bucket continues from `version`, the highest version that the archived store had.
        """
        by_bucket: list[list[Value]] = [[] for _ in range(self.buckets.count)]
        for user, packed in records:
            by_bucket[self.buckets.number_of(user)] += (user, packed)
        calls = [
            {
                **self._scripts.shared(Bucket(number), ""),
                "last_version": version,
                "users_and_records": batch,
            }
            for number, pairs in enumerate(by_bucket)
            for batch in list(batched(pairs, 2 * BATCH)) or [()]
        ]
        for group in batched(calls, _BUCKETS_AT_A_TIME):
            self._scripts.restore.many(group)

    def users(
        self, buckets: Sequence[Bucket], levels: Iterable[int], after: str = ""
    ) -> Iterator[tuple[Bucket, str, Record]]:
        """Yields each user of these buckets once, in name order within each bucket.

        In the first bucket it starts after the user `after`. Pass at most BUCKETS_AT_A_TIME
        buckets. Users who move from one index to another meanwhile are found through the feed.
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
                    left.append(bucket)  # the feed was trimmed meanwhile
        return [names[bucket] for bucket in buckets]

    def _indexed(self, buckets: Sequence[Bucket], levels: Sequence[int]) -> list[set[str]]:
        """The users in the indexes of each bucket."""
        names: list[set[str]] = [set() for _ in buckets]
        every = [Span(manual, level, 0, 2**31) for level in levels for manual in (False, True)]
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
