"""Reads of many values at once: what the path of a check asks of the store, and nothing else."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from services.store.store import Store

Values = list[bytes | None]


class Found(NamedTuple):
    """What stood in the store, in the order of the question."""

    strings: Values
    hashes: list[Values]
    """For each hash, its fields in the order asked for."""


class Reads(Protocol):
    """Every method raises redis.RedisError where the store does not serve."""

    def get(self, key: str) -> bytes | None: ...
    def hmget(self, key: str, fields: Sequence[str]) -> Values: ...
    def many(
        self, strings: Sequence[str], hashes: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> Found:
        """All of it in one round trip; the same fields of each hash."""
        ...


class StoreReads:
    """Asks the store each time; what was acknowledged before the question is in the answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, key: str) -> bytes | None:
        return self._store.get(key)

    def hmget(self, key: str, fields: Sequence[str]) -> Values:
        return self._store.hmget(key, fields)

    def many(
        self, strings: Sequence[str], hashes: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> Found:
        if not hashes:
            return Found(self._store.get_many(strings), [])
        with self._store.pipeline(transaction=False) as pipeline:
            for key in strings:
                pipeline.get(key)
            for key in hashes:
                pipeline.execute_command("HMGET", key, *fields)
            found = pipeline.execute()
        return Found(found[: len(strings)], found[len(strings) :])
