"""The feed: the last changes of all users, bucket by bucket, each under its version.

The versions of a bucket have no holes, so whoever reads on from a version sees every change
behind it, or sees that some are no longer kept.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.store.batches import batched
from services.store.keys import Bucket, Buckets
from services.store.store import Store
from services.user_state.history import Change, change_in_feed

_AT_A_TIME = 1_000


class FeedGapError(Exception):
    """Changes behind the version asked for are no longer kept."""


class FeedAheadError(Exception):
    """The version asked for was never given: it belongs to another store."""


class UserChange(NamedTuple):
    """Whose change it was, and what changed."""

    user: str
    change: Change


class Feed:
    """Every method raises redis.RedisError where the store does not serve."""

    def __init__(self, store: Store, buckets: Buckets) -> None:
        self.buckets = buckets
        self._store = store

    def version(self, bucket: Bucket) -> int:
        """The version of the last change of a bucket; 0 before the first."""
        return int(self._store.get(bucket.versions) or 0)

    def versions(self) -> list[int]:
        """The versions of all buckets."""
        found: list[int] = []
        for buckets in batched(self.buckets.all(), _AT_A_TIME):
            found += (
                int(each or 0) for each in self._store.get_many([b.versions for b in buckets])
            )
        return found

    def changes(self, bucket: Bucket, after: int) -> Sequence[UserChange]:
        """All changes of a bucket behind a version that are there now, oldest first.

        Raises FeedGapError, FeedAheadError.
        """
        if after > self.version(bucket):
            raise FeedAheadError
        changes: list[UserChange] = []
        while page := self.page(bucket, after, _AT_A_TIME):
            changes += page
            after = page[-1].change.version
        return changes

    def page(self, bucket: Bucket, after: int, limit: int) -> list[UserChange]:
        """The first changes of a bucket behind a version. Raises FeedGapError.

        Empty also where all of them are gone: `versions` tells that there were some.
        """
        found = self._store.xrange(bucket.feed, f"({after}-0", "+", limit)
        changes = [_change(identifier, fields) for identifier, fields in found]
        if changes and _version_before(changes[0], found[0][1]) != after:
            raise FeedGapError
        return changes


def _version_before(first: UserChange, fields: Mapping[bytes, bytes]) -> int:
    return int(fields.get(b"p", first.change.version - 1))


def _change(identifier: bytes, fields: Mapping[bytes, bytes]) -> UserChange:
    version = int(identifier.partition(b"-")[0])
    return UserChange(fields[b"u"].decode(), change_in_feed(version, fields[b"c"]))
