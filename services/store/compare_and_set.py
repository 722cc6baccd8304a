"""Replaces a value that was read, unless another writer replaced it in the meantime."""

from collections.abc import Callable
from typing import NamedTuple

from services.store import deadline
from services.store.store import Store, Value

# Replaces the value only if it is still the one that was read; "" stands for an absent key.
# With a second key, the hash there gets the new value too, under one field, and loses another.
_REPLACE = """
local read, value, field, expired_field = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if (redis.call('GET', KEYS[1]) or '') ~= read then return 0 end
redis.call('SET', KEYS[1], value)
if KEYS[2] then
  redis.call('HSET', KEYS[2], field, value)
  redis.call('HDEL', KEYS[2], expired_field)
end
return 1
"""


class Copy(NamedTuple):
    """A hash on the value's slot that keeps a copy of each new value."""

    hash: str
    field: str
    expired_field: str
    """A field that is deleted in the same step."""


class Replacement(NamedTuple):
    """A new value that is written together with a copy."""

    value: bytes
    copy: Copy


class CompareAndSet:
    """Every method raises redis.RedisError if the store is unavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._replace = store.register_script(_REPLACE)

    def change(
        self, key: str, decide: Callable[[bytes | None], bytes | Replacement | None]
    ) -> None:
        """Replaces the value of `key` by the result of `decide`; None leaves it unchanged.

        `decide` gets the current value, or None for an absent key. It is called again if another
        writer was faster, until the call's deadline: then DeadlinePassedError is raised. If
        `decide` raises, the value stays unchanged.
        """
        is_replaced = False
        while not is_replaced:
            deadline.require_time_left()
            read = self._store.get(key)
            decided = decide(read)
            if decided is None:
                return
            is_replaced = self._write(key, read or b"", decided)

    def _write(self, key: str, read: bytes, new: bytes | Replacement) -> bool:
        if isinstance(new, bytes):
            return bool(self._replace([key], [read, new]))
        copy = new.copy
        arguments: list[Value] = [read, new.value, copy.field, copy.expired_field]
        return bool(self._replace([key, copy.hash], arguments))
