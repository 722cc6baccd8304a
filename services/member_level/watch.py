"""One watch: the position of its caller in the changes of each bucket."""

from collections.abc import Sequence
from itertools import islice

from services.member_level import failures
from services.member_level.cursors import read_watch_cursor, watch_cursor
from services.runtime.cursor_text import CursorError
from services.user_state.feed import Feed, FeedGapError, UserChange

# A message has at most this many changes, from at most BUCKETS buckets with equal shares: a user
# with a thousand changes per second does not delay the changes of others.
CHANGES = 1_000
BUCKETS = 50


class Watch:
    """Every method raises redis.RedisError if the store is not available."""

    def __init__(self, feed: Feed, cursor: str) -> None:
        """Starts after the cursor, or now if it is empty. Raises Failure for an invalid cursor."""
        self._feed = feed
        self._sent = _read(cursor, feed.buckets.count) if cursor else feed.versions()
        self._first = 0

    @property
    def cursor(self) -> str:
        return watch_cursor(self._sent)

    def read(self) -> tuple[Sequence[UserChange], bool]:
        """Returns the next changes and whether more are waiting, and moves the cursor past them.

        Raises Failure if changes were trimmed, or if the cursor belongs to another store.
        """
        versions = self._feed.versions()
        waiting = []
        for bucket in self._feed.buckets.all():
            given, sent = versions[bucket.number], self._sent[bucket.number]
            if given < sent:
                raise failures.cursor_invalid()
            if given > sent:
                waiting.append((bucket, sent))
        # The next read starts after the last bucket of this one, so that no bucket is left out.
        waiting.sort(key=lambda place: (place[0].number < self._first, place[0].number))
        places = list(islice(waiting, BUCKETS))
        if not places:
            return [], False
        share = CHANGES // len(places)
        try:
            pages = self._feed.pages(places, share)
        except FeedGapError:
            raise failures.cursor_expired() from None
        changes: list[UserChange] = []
        for (bucket, _), page in zip(places, pages, strict=True):
            if not page:
                raise failures.cursor_expired()
            changes += page
            self._sent[bucket.number] = page[-1].change.version
        self._first = places[-1][0].number + 1
        return changes, len(waiting) > len(places) or any(len(page) == share for page in pages)


def _read(cursor: str, buckets: int) -> list[int]:
    try:
        return read_watch_cursor(cursor, buckets)
    except CursorError:
        raise failures.cursor_invalid() from None
