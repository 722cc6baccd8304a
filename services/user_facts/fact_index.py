"""Completes the index of users who have facts, which earlier releases did not write.

Each instance does this once, some time after it started, when the instances of an earlier release
have stopped (docs/adr/0014).
"""

import threading
from collections.abc import Iterator

import redis
import structlog

from services.store import keys
from services.store.batches import batched
from services.store.store import Store
from services.user_facts.fact_store import FactStore

_DELAY_SECONDS = 60.0
# Keys that the store lists in one step, which takes a fraction of a millisecond, and the pause
# before the next step.
_KEYS_AT_A_TIME = 500
_PAUSE_SECONDS = 0.01


class FactIndex:
    """The background work of one instance."""

    def __init__(self, store: Store, facts: FactStore, stopping: threading.Event) -> None:
        self._store = store
        self._facts = facts
        self._stopping = stopping

    def start(self) -> None:
        threading.Thread(target=self._run, name="fact-index", daemon=True).start()

    def complete(self) -> None:
        """Visits all keys of the store once. Raises redis.RedisError."""
        for names in batched(self._store.scan_iter(count=_KEYS_AT_A_TIME), _KEYS_AT_A_TIME):
            self._facts.index(_users(names))
            if self._stopping.wait(_PAUSE_SECONDS):
                return

    def _run(self) -> None:
        while not self._stopping.wait(_DELAY_SECONDS):
            try:
                self.complete()
            except redis.RedisError:
                structlog.get_logger().warning("the index of facts is not complete yet")
            else:
                return


def _users(names: tuple[bytes, ...]) -> Iterator[str]:
    for name in names:
        if b"}:facts:" in name:
            key = keys.user_key(name.decode())
            if key is not None and key.kind == "facts":
                yield key.user
