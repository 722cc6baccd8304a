"""Reads that are answered from memory for as long as the store says nothing else.

The store tells a connection which of the keys that it read have changed (CLIENT TRACKING). All
reads go through that one connection, so that answers and changes come in the order in which they
happened: a value cannot be remembered after the news that it is old. redis-py's own cache wants
a store that says it is Redis 7.4, which Valkey does not, and asks the socket and a lock several
times for each hit: docs/performance.md.
"""

import math
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, cast

import redis
import structlog

from services.store import deadline
from services.store.batches import batched
from services.store.reads import Found, Values

# What is remembered is not trusted longer than this after the store was last heard of, in
# seconds: a connection that died in silence brings no news.
_TRUSTED = 1.0
_NOT_KNOWN = object()
# A longer MGET would keep the store's other callers waiting.
_KEYS_A_COMMAND = 500

# redis-py's, which has no types.
Connection = Any

_Hash = dict[str, bytes | None]


class TrackedReads:
    """As Reads; keeps `most` values, the oldest go.

    A change that the store acknowledged is seen as soon as its news has arrived here, which takes
    a network packet's time; who must not see the past at all asks for a version.
    """

    def __init__(
        self,
        connection: Connection,
        most: int,
        wait: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._is_connected = False
        self._most = most
        self._wait = wait
        self._now = now
        self._lock = threading.Lock()
        # Not `poll`, which two threads may not do at a time.
        self._news = select.epoll()
        self._heard = -math.inf
        self._is_told = False
        self.asked = 0
        """Values that the store was asked for."""
        self.connected = 0
        """How often the connection was made."""
        # A string's value, or the known fields of a hash.
        self._known: dict[str, bytes | _Hash | None] = {}
        self._size = 0

    @property
    def kept(self) -> int:
        """Values that are known."""
        return self._size

    def get(self, key: str) -> bytes | None:
        if self._is_current():
            found = self._known.get(key, _NOT_KNOWN)
            if found is not _NOT_KNOWN:
                return cast(bytes | None, found)
        return self.many([key]).strings[0]

    def hmget(self, key: str, fields: Sequence[str]) -> Values:
        if self._is_current():
            known = self._known.get(key)
            if known is not None and (found := _fields_of(known, fields)) is not None:
                return found
        return self.many((), [key], fields).hashes[0]

    def many(
        self, strings: Sequence[str], hashes: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> Found:
        with self._exchange():
            found = {key: self._known[key] for key in strings if key in self._known}
            known = {key: _fields_of(self._known.get(key), fields) for key in hashes}
            unknown = [key for key in strings if key not in found]
            unknown_hashes = [key for key, values in known.items() if values is None]
            self.asked += len(unknown) + len(unknown_hashes) * len(fields)
            asked = list(batched(dict.fromkeys(unknown), _KEYS_A_COMMAND))
            commands = [("MGET", *keys) for keys in asked]
            commands += [("HMGET", key, *fields) for key in unknown_hashes]
            answers = self._ask(commands)
            # Each answer is remembered before the next is read: between two of them may be the
            # news that the first is old.
            for keys in asked:
                values = dict(zip(keys, next(answers), strict=True))
                self._remember(values)
                found.update(values)
            for key in unknown_hashes:
                known[key] = next(answers)
                self._remember_fields(key, dict(zip(fields, known[key] or (), strict=True)))
        return Found(
            [cast(bytes | None, found[key]) for key in strings],
            [known[key] or [] for key in hashes],
        )

    def _is_current(self) -> bool:
        # Without the lock: this is all that a hit costs.
        return self._now() - self._heard < _TRUSTED and not self._news.poll(0, 1)

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        """The connection for one thread, with everything known that the store has told."""
        if not self._lock.acquire(timeout=deadline.budget(self._wait)):
            raise redis.TimeoutError("the connection that is told of changes is waited for")
        try:
            self._make_current()
            yield
            # News that came with the last answer lies where `poll` does not see it.
            self._drain()
        except BaseException:
            # There may be answers on the way that nobody waits for.
            self._disconnect()
            raise
        finally:
            self._lock.release()

    def _make_current(self) -> None:
        if self._is_connected:
            try:
                self._drain()
                if self._now() - self._heard >= _TRUSTED:
                    next(self._ask([("PING",)]))
            except redis.ConnectionError:
                # The store, or something between, closed a connection that was idle.
                self._disconnect()
        if not self._is_connected:
            self._connect()

    def _connect(self) -> None:
        self._connection.connect()
        self._is_connected = True
        self.connected += 1
        # What redis-py's own cache does; there is no public way to be told.
        self._connection._parser.set_invalidation_push_handler(self._forget)
        try:
            next(self._ask([("CLIENT", "TRACKING", "ON")]))
            self._is_told = True
        except redis.ResponseError:
            self._is_told = False
            why = "the store does not let REDIS_URL's user do CLIENT TRACKING"
            structlog.get_logger().warning("every read asks the store", why=why)
        # A socket that is closed leaves it by itself.
        self._news.register(self._connection._sock, select.EPOLLIN)

    def _disconnect(self) -> None:
        self._heard = -math.inf
        self._known = {}
        self._size = 0
        self._is_connected = False
        self._connection.disconnect()

    def _drain(self) -> None:
        while self._connection.can_read(0):
            self._connection.read_response(push_request=True)

    def _ask(self, commands: Sequence[tuple[str, ...]]) -> Iterator[Any]:
        """The answers, one by one: all of them must be read."""
        if not commands:
            return
        asked = self._now()
        self._connection.send_packed_command(self._connection.pack_commands(commands))
        for _ in commands:
            answer = self._connection.read_response()
            self._heard = asked
            yield answer

    def _forget(self, news: Sequence[Any]) -> None:
        keys = news[1]
        if keys is None:  # FLUSHALL
            self._known = {}
            self._size = 0
            return
        for key in keys:
            self._size -= _size(self._known.pop(key.decode(), _NOT_KNOWN))

    def _remember(self, values: Mapping[str, bytes | _Hash | None]) -> None:
        if not self._is_told:
            return
        self._known.update(values)
        self._size += sum(map(_size, values.values()))
        while self._size > self._most:
            # An eighth at a time: what is in use comes back with its next read.
            for key in list(islice(self._known, len(self._known) // 8 + 1)):
                self._size -= _size(self._known.pop(key))

    def _remember_fields(self, key: str, fields: _Hash) -> None:
        known = self._known.pop(key, None)
        self._size -= _size(known) if known is not None else 0
        # A new one: another thread may be looking into the old one.
        self._remember({key: {**known, **fields} if isinstance(known, dict) else fields})


def _fields_of(known: object, fields: Sequence[str]) -> Values | None:
    """None unless all of them are known."""
    if not isinstance(known, dict):
        return None
    try:
        return [known[field] for field in fields]
    except KeyError:
        return None


def _size(value: object) -> int:
    if value is _NOT_KNOWN:
        return 0
    return len(value) if isinstance(value, dict) else 1
