"""Replaces a value that was read, unless another writer replaced it in the meantime."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Lock
from typing import NamedTuple

from services.store import deadline
from services.store.scripts import NamedScript
from services.store.store import Store

# A writer waits at most this many seconds for the threads of this process that change the same
# key. After that it tries anyway, so that one slow call does not delay all others.
_LONGEST_TURN_WAIT = 1
_TURNS = 64  # keys with the same hash share one

# Seconds of pause after a lost race: at random up to the first, twice as long each time.
_FIRST_PAUSE = 0.004
_LONGEST_PAUSE = 0.1

# Replaces the value only if it is still the one that was read; "" means an absent key. With a
# field, the hash gets the new value too and loses another field.
_REPLACE = """
if (redis.call('GET', key) or '') ~= read then return 0 end
redis.call('SET', key, value)
if field ~= '' then
  redis.call('HSET', hash_key, field, value)
  redis.call('HDEL', hash_key, expired_field)
end
return 1
"""


class Replacement(NamedTuple):
    """A new value, and a hash on the same slot that keeps a copy of it under `field`."""

    value: bytes
    hash_key: str
    field: str
    expired_field: str
    """A field of the hash that is deleted in the same step."""


class CompareAndSet:
    """Every method raises redis.RedisError if the store is unavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turns = tuple(Lock() for _ in range(_TURNS))
        self._replace = NamedScript(
            store, _REPLACE, keys="key hash_key", arguments="read value field expired_field"
        )

    def change(
        self, key: str, decide: Callable[[bytes | None], bytes | Replacement | None]
    ) -> None:
        """Replaces the value of `key` by the result of `decide`; None leaves it unchanged.

        `decide` gets the current value, or None for an absent key. It is called again if another
        writer was faster, until the call's deadline: then DeadlinePassedError is raised. If
        `decide` raises, the value stays unchanged.
        """
        with self._turn(key):
            for attempt in count():
                deadline.require_time_left()
                read = self._store.get(key)
                new = decide(read)
                if new is None:
                    return
                if isinstance(new, bytes):
                    new = Replacement(new, key, "", "")
                if self._replace(new._asdict(), key=key, read=read or b""):
                    return
                _pause(attempt)

    @contextmanager
    def _turn(self, key: str) -> Iterator[None]:
        """Lets the threads of this process change a key one after the other.

        Without it, 32 writers of a shop of 500 levels compute each change eight times, and one in
        ten passes its deadline. Writers of other processes still race, which is correct but slower.
        """
        turn = self._turns[hash(key) % _TURNS]
        is_ours = turn.acquire(timeout=deadline.budget(_LONGEST_TURN_WAIT))
        try:
            yield
        finally:
            if is_ours:
                turn.release()


def _pause(attempt: int) -> None:
    """Waits for a random time, so that writers of one key do not repeat their races.

    Raises DeadlinePassedError.
    """
    longest = min(_FIRST_PAUSE * 2 ** min(attempt, 10), _LONGEST_PAUSE)
    time.sleep(deadline.budget(random.uniform(0, longest)))  # noqa: S311  (not a secret)
