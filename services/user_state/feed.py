"""The feed: the last changes of all users, bucket by bucket, each under its version.

The versions of a bucket are contiguous. A reader that continues from a version therefore sees every
later change, or detects that some were trimmed.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.store.batches import batched
from services.store.keys import Bucket, Buckets
from services.store.store import Store
from services.user_state.history import Change, change_in_feed

_AT_A_TIME = 1_000


class FeedGapError(Exception):
    """Changes after the requested version were trimmed."""


class FeedAheadError(Exception):
    """The requested version was never given, so it comes from another store."""


class UserChange(NamedTuple):
    """A change and the user whose change it was."""

    user: str
    change: Change


class Feed:
    """Every method raises redis.RedisError if the store is unavailable."""

    def __init__(self, store: Store, buckets: Buckets) -> None:
        self.buckets = buckets
        self._store = store

    def version(self, bucket: Bucket) -> int:
        """The version of the last change of a bucket; 0 before the first."""
        return int(self._store.get(bucket.versions) or 0)

    def versions(self, buckets: Sequence[Bucket] | None = None) -> list[int]:
        """The version of the last change of each bucket; None means all buckets."""
        found: list[int] = []
        for some in batched(self.buckets.all() if buckets is None else buckets, _AT_A_TIME):
            found += (int(each or 0) for each in self._store.get_many([b.versions for b in some]))
        return found

    def changes(self, bucket: Bucket, after: int) -> Sequence[UserChange]:
        """All changes of a bucket after a version, oldest first.

        Raises FeedGapError, FeedAheadError.
        """
        if after > self.version(bucket):
            raise FeedAheadError
        changes: list[UserChange] = []
        while page := self.pages([(bucket, after)], _AT_A_TIME)[0]:
            changes += page
            after = page[-1].change.version
        return changes

    def pages(self, places: Sequence[tuple[Bucket, int]], limit: int) -> list[Sequence[UserChange]]:
        """The first changes of each bucket after a version, in one round trip. Raises FeedGapError.

        A page is also empty if all later changes were trimmed. Compare `versions` to detect that.
        """
        with self._store.pipeline(transaction=False) as pipeline:
            for bucket, after in places:
                start = f"({after}-0"
                pipeline.execute_command("XRANGE", bucket.feed, start, "+", "COUNT", limit)
            found = pipeline.execute()
        return [_page(entries, after) for entries, (_, after) in zip(found, places, strict=True)]


def _page(entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]], after: int) -> list[UserChange]:
    changes = [_change(identifier, fields) for identifier, fields in entries]
    if changes and int(entries[0][1].get(b"p", changes[0].change.version - 1)) != after:
        raise FeedGapError
    return changes


def _change(identifier: bytes, fields: Mapping[bytes, bytes]) -> UserChange:
    version = int(identifier.partition(b"-")[0])
    return UserChange(fields[b"u"].decode(), change_in_feed(version, fields[b"c"]))
