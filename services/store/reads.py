"""Reads of many values at once, for the path of a check."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from services.store.store import Store

Values = list[bytes | None]


class Found(NamedTuple):
    """The values that were read, in the order of the request."""

    strings: Values
    hashes: list[Values]
    """For each hash, the fields in the requested order."""


class Reads(Protocol):
    """Every method raises redis.RedisError if the store is unavailable."""

    def get(self, key: str) -> bytes | None: ...
    def hmget(self, key: str, fields: Sequence[str]) -> Values: ...
    def many(
        self, strings: Sequence[str], hashes: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> Found:
        """Reads strings, and the same fields of each hash, in one round trip."""
        ...


class StoreReads:
    """Asks the store for each read, so every acknowledged write is visible."""

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
