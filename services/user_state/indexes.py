"""Counts and pages of users by level and points, from the indexes.

They go bucket by bucket, in scripts that each take well below a millisecond, so that the store
serves other callers in between.
"""

import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from services.store.batches import batched
from services.store.keys import Bucket, Buckets
from services.store.pace import Turn, at_once
from services.store.scripts import NamedScript, NamedValues, lua_constants
from services.store.store import Store
from services.user_state.record import Record, unpack
from services.user_state.scripts import script_text

# Buckets in one round trip. The store runs commands that arrive together without serving other
# callers, so all of them together must take at most a few milliseconds.
BUCKETS_AT_A_TIME = 8
# For a small question, more buckets fit: count.lua takes about a microsecond for each range and
# each stretch. A count of five levels with a million members took 250 ms with 8 buckets at a time.
_STEPS_AT_A_TIME = 1_600
_MOST_BUCKETS_COUNTED = 64
# count.lua cannot stop within a range.
_STRETCHES_PER_RANGE = 200
# Ranges in one call of count.lua, which stops after its own maximum of steps in any case.
_RANGES_PER_CALL = 300
_BOUND = struct.Struct(">I")
_RANGE = struct.Struct(">BIII")


class Span(NamedTuple):
    """Users of one level, earned or manual, with `least` <= points < `before`."""

    manual: bool
    level: int
    least: int
    before: int


class Range(NamedTuple):
    """Users of one level, earned or manual, in each stretch between the bounds `first` to `last` of
    a question. A stretch includes its lower bound but not its upper one.
    """

    manual: bool
    level: int
    first: int
    last: int


class Question:
    """What to count. Stretches are numbered from 0 over all ranges."""

    def __init__(self, bounds: Sequence[int], ranges: Iterable[Range]) -> None:
        parts = [part for each in ranges for part in _parts(each)]
        self._bounds = b"".join(map(_BOUND.pack, bounds))
        self._ranges = b"".join(_RANGE.pack(*part) for part in parts)
        self.first_stretches = [0]
        """The number of each range's first stretch, and of the one after the last range."""
        for part in parts:
            self.first_stretches.append(self.first_stretches[-1] + part.last - part.first)

    @property
    def ranges(self) -> int:
        return len(self.first_stretches) - 1

    def packed_from(self, position: int) -> tuple[bytes, bytes]:
        """The bounds and the next ranges from this one on, for count.lua."""
        end = position + _RANGES_PER_CALL
        return self._bounds, self._ranges[position * _RANGE.size : end * _RANGE.size]


def question_of(spans: Sequence[Span]) -> Question:
    """A question with one stretch for each span. Spans often share bounds."""
    bounds = {bounds: 2 * at for at, bounds in enumerate(dict.fromkeys(span[2:] for span in spans))}
    ranges = (
        Range(span.manual, span.level, bounds[span[2:]], bounds[span[2:]] + 1) for span in spans
    )
    return Question([point for pair in bounds for point in pair], ranges)


class Counted(NamedTuple):
    """How many users a bucket has."""

    bucket: Bucket
    protection_ended: int
    """Users whose level was set manually and is past its protection."""
    stretches: Sequence[tuple[int, int]]
    """The number of each stretch that has users, and how many."""


class Entry(NamedTuple):
    """A user on a page. `span` is the number of the user's span, from 0."""

    span: int
    user: str
    points: int


class Indexes:
    """Every method raises redis.RedisError if the store is unavailable.

    `proceed` is called before each round trip, and stops the work if it raises. `turn` gets it, and
    surrounds each round trip of a count, to limit how much of the store the counts may use.
    """

    def __init__(
        self,
        store: Store,
        buckets: Buckets,
        now: Callable[[], float] = time.time,
        turn: Turn = at_once,
    ) -> None:
        self._store = store
        self._buckets = buckets
        self._now = now
        self._turn = turn
        self._count_script = NamedScript(
            store,
            lua_constants({"BOUND": _BOUND, "RANGE": _RANGE}) + script_text("count"),
            keys="protections_key",
            arguments="level_prefix manual_prefix now:int bounds ranges",
            writes=False,
        )
        self._page_script = NamedScript(
            store,
            script_text("rank") + script_text("entries") + "return page",
            keys="*indexes",
            arguments="limit:int after *bounds",
            writes=False,
        )

    def count(
        self,
        question: Question,
        proceed: Callable[[], None],
        buckets: Iterable[Bucket] | None = None,
    ) -> Iterator[Counted]:
        """Counts in each bucket, without reading a record; None means all buckets."""
        asked = self._buckets.all() if buckets is None else buckets
        steps = question.ranges + question.first_stretches[-1]
        fitting = _STEPS_AT_A_TIME // max(1, steps)
        for some in batched(asked, max(BUCKETS_AT_A_TIME, min(fitting, _MOST_BUCKETS_COUNTED))):
            yield from self._count(some, question, proceed)

    def _count(
        self, buckets: Sequence[Bucket], question: Question, proceed: Callable[[], None]
    ) -> list[Counted]:
        ended = [0] * len(buckets)
        found: list[list[tuple[int, int]]] = [[] for _ in buckets]
        # The next range of each bucket, because the script stops before it takes too long.
        left = [(number, 0) for number in range(len(buckets))]
        while left:
            calls = [self._count_call(buckets[number], question, at) for number, at in left]
            unfinished = []
            with self._turn(proceed):
                answers = self._count_script.many(calls)
            for (number, at), (ranges, past, *counts) in zip(left, answers, strict=True):
                start = question.first_stretches[at]
                pairs = zip(counts[::2], counts[1::2], strict=True)
                found[number] += [(start + stretch, users) for stretch, users in pairs]
                ended[number] = past
                if at + ranges < question.ranges:
                    unfinished.append((number, at + ranges))
            left = unfinished
        return [Counted(*each) for each in zip(buckets, ended, found, strict=True)]

    def _count_call(self, bucket: Bucket, question: Question, at: int) -> NamedValues:
        bounds, ranges = question.packed_from(at)
        return {
            "protections_key": bucket.protections,
            "level_prefix": bucket.level_prefix,
            "manual_prefix": bucket.manual_prefix,
            "now": int(self._now()),
            "bounds": bounds,
            "ranges": ranges,
        }

    def pages(
        self, places: Iterable[tuple[Bucket, Sequence[Span], str]], limit: int
    ) -> list[list[Entry]]:
        """Up to `limit` users of each place in one round trip, by span, points and user.

        A place names the user, if any, to start after in its first span.
        """
        calls = []
        for bucket, spans, after in places:
            keys = [index_key(bucket, span) for span in spans]
            calls.append(_page_call(keys, bounds_of(spans), after, limit))
        return [_entries(found) for found in self._page_script.many(calls)]

    def due(
        self, places: Sequence[tuple[Bucket, Sequence[Span]]], limit: int
    ) -> list[tuple[str, Record]]:
        """Up to `limit` users of the buckets who are in these spans or past their protection."""
        calls = []
        for bucket, spans in places:
            keys = [bucket.protections, *(index_key(bucket, span) for span in spans)]
            bounds = [0, int(self._now()) + 1, *bounds_of(spans)]
            calls.append(_page_call(keys, bounds, "", limit))
        found = [
            (bucket, entry.user)
            for (bucket, _), page in zip(places, self._page_script.many(calls), strict=True)
            for entry in _entries(page)
        ][:limit]
        records = self._store.get_many([bucket.record(user) for bucket, user in found])
        pairs = zip(found, records, strict=True)
        return [(user, unpack(packed)) for (_, user), packed in pairs if packed is not None]


def _parts(whole: Range) -> Iterator[Range]:
    for first in range(whole.first, whole.last, _STRETCHES_PER_RANGE):
        yield whole._replace(first=first, last=min(first + _STRETCHES_PER_RANGE, whole.last))


def index_key(bucket: Bucket, span: Span) -> str:
    """The index in which the span is."""
    prefix = bucket.manual_prefix if span.manual else bucket.level_prefix
    return f"{prefix}{span.level}"


def bounds_of(spans: Sequence[Span]) -> list[int]:
    """The bounds as entries.lua reads them."""
    return [bound for span in spans for bound in (span.least, span.before)]


def _page_call(
    indexes: Sequence[str], bounds: Sequence[int], after: str, limit: int
) -> NamedValues:
    return {"indexes": indexes, "limit": limit, "after": after, "bounds": bounds}


def _entries(found: Sequence[bytes]) -> list[Entry]:
    return [
        Entry(int(index), user.decode(), int(points)) for index, user, points in batched(found, 3)
    ]
