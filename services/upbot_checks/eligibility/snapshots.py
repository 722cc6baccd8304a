"""Reads the data that a condition needs for many users, in few round trips."""

from collections.abc import Iterator, Mapping, Sequence

from services.store.batches import batched
from services.store.keys import Buckets
from services.store.reads import Reads
from services.upbot_checks.eligibility.condition import Needs, Snapshot
from services.user_facts.fact_store import game_field, star_field, unpack_fact
from services.user_state.record import unpack

# Read in one round trip; more would delay the checks of other callers.
_VALUES_AT_A_TIME = 500
_UNKNOWN = Snapshot()


class VersionNotReachedError(Exception):
    """The user has never had the requested version."""

    def __init__(self, user: str) -> None:
        super().__init__()
        self.user = user


class Snapshots:
    """Every method raises redis.RedisError if the store is not available.

    `reads` may answer from memory; `store` is read if the answer is older than a required version.
    """

    def __init__(self, reads: Reads, store: Reads, buckets: Buckets) -> None:
        self._reads = reads
        self._store = store
        self._buckets = buckets

    def read(
        self, users: Sequence[str], needs: Needs, min_versions: Mapping[str, int]
    ) -> Iterator[Snapshot]:
        """The data of each user, none older than its version in `min_versions`.

        Raises VersionNotReachedError.
        """
        question = _Question(needs, self._buckets)
        for some in batched(users, question.users_at_a_time):
            snapshots = question.ask(self._reads, some)
            if min_versions:
                self._renew(question, some, snapshots, min_versions)
            yield from snapshots

    def _renew(
        self,
        question: "_Question",
        users: Sequence[str],
        snapshots: list[Snapshot],
        min_versions: Mapping[str, int],
    ) -> None:
        """Reads the snapshots that are too old again, from the store itself."""
        old = [
            position
            for position, user in enumerate(users)
            if snapshots[position].version < min_versions.get(user, 0)
        ]
        fresh = question.ask(self._store, [users[position] for position in old])
        for position, snapshot in zip(old, fresh, strict=True):
            self._require_reached(users[position], snapshot, min_versions[users[position]])
            snapshots[position] = snapshot

    def _require_reached(self, user: str, snapshot: Snapshot, version: int) -> None:
        # A deleted user has no version, but the counter of its bucket continues.
        if snapshot.version < version:
            highest = self._store.get(self._buckets.of(user).versions)
            if int(highest or 0) < version:
                raise VersionNotReachedError(user)


class _Question:
    """What to read for each user: the record, and the facts that a condition needs."""

    def __init__(self, needs: Needs, buckets: Buckets) -> None:
        self._buckets = buckets
        self._stars = tuple(needs.stars)
        self._games = tuple(needs.games)
        self._fields = [*map(star_field, self._stars), *map(game_field, self._games)]
        self.users_at_a_time = max(1, _VALUES_AT_A_TIME // (1 + len(self._fields)))

    def ask(self, reads: Reads, users: Sequence[str]) -> list[Snapshot]:
        if not users:
            return []
        buckets = [self._buckets.of(user) for user in users]
        records = [bucket.record(user) for bucket, user in zip(buckets, users, strict=True)]
        if not self._fields:
            return [_snapshot(packed) for packed in reads.many(records).strings]
        facts = [bucket.facts(user) for bucket, user in zip(buckets, users, strict=True)]
        found = reads.many(records, facts, self._fields)
        return [
            self._with_facts(_snapshot(packed), values)
            for packed, values in zip(found.strings, found.hashes, strict=True)
        ]

    def _with_facts(self, user: Snapshot, values: Sequence[bytes | None]) -> Snapshot:
        stars, games = values[: len(self._stars)], values[len(self._stars) :]
        lit = zip(self._stars, stars, strict=True)
        known = zip(self._games, games, strict=True)
        return user._replace(
            lit=frozenset(star for star, value in lit if value is not None),
            games={key: unpack_fact(value) for key, value in known if value is not None},
        )


def _snapshot(packed: bytes | None) -> Snapshot:
    if packed is None:
        return _UNKNOWN
    record = unpack(packed)
    return Snapshot(record.level, record.points, record.version)
