"""Reads that are answered from memory until the store sends an invalidation.

With CLIENT TRACKING the store sends a connection an invalidation for each key that it has read and
that then changes. All remembered values were read over one connection, so answers and invalidations
arrive in the order of the changes, and no value is remembered after its invalidation. redis-py's
own cache requires a store that reports Redis 7.4, which Valkey does not. It also polls a socket and
takes a lock several times for each hit: docs/performance.md.
"""

import math
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import redis
import structlog

from services.store import deadline
from services.store.batches import batched
from services.store.memory import UNKNOWN, Memory
from services.store.reads import Found, Reads, Values

# The memory is trusted for this many seconds after the last answer of the store, because a broken
# connection that nobody noticed brings no invalidations.
_TRUSTED = 1.0
# A longer MGET would delay the other callers of the store.
_KEYS_A_COMMAND = 500
# Values that a tracked read fetches in addition, because other callers read them untracked.
_UNTRACKED_AT_A_TIME = 50
# A caller with fewer seconds left does not use the tracked connection. If its deadline passed in
# the middle of an answer, the connection and all remembered values would be lost.
_LEAST_TIME = 0.05

# The connection of redis-py, which has no types.
Connection = Any


class TrackedReads:
    """Implements Reads and remembers up to `most` values.

    No caller waits for another one: if the tracked connection is in use, a caller reads through
    `untracked`. Such values are not remembered, but the next tracked read fetches them as well.

    A read sees every write that was confirmed (Store.confirm) before it began. The exception are
    up to _TRUSTED seconds after the tracked connection broke without notice: docs/adr/0009.
    """

    def __init__(
        self,
        connection: Connection,
        untracked: Reads,
        most: int,
        wait: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._untracked = untracked
        self._wait = wait
        self._now = now
        self._memory = Memory(most)
        self._lock = threading.Lock()
        self._is_connected = False
        self._is_tracking = False
        self._socket = -1
        # Whether bytes may have been taken off the socket that have not reached the memory yet.
        self._is_reading = False
        self._heard = -math.inf
        self.asked = 0
        """How many values were requested from the store."""
        self.connected = 0
        """How often the tracked connection was established."""

    @property
    def kept(self) -> int:
        """How many values are remembered."""
        return self._memory.size

    def get(self, key: str) -> bytes | None:
        if self._is_current():
            found = self._memory.string(key)
            if found is not UNKNOWN:
                return cast(bytes | None, found)
        return self._read([key]).strings[0]

    def hmget(self, key: str, fields: Sequence[str]) -> Values:
        if self._is_current() and (found := self._memory.fields(key, fields)) is not None:
            return found
        return self._read((), [key], fields).hashes[0]

    def many(
        self, strings: Sequence[str], hashes: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> Found:
        if (
            self._is_current()
            and (found := self._memory.found(strings, hashes, fields)) is not None
        ):
            return found
        return self._read(strings, hashes, fields)

    def _is_current(self) -> bool:
        # No lock, because every hit pays for this. The socket is polled before `_is_reading` is
        # read: another thread takes an invalidation off the socket only while that is set.
        if self._now() - self._heard >= _TRUSTED:
            return False
        return not _arrived(self._socket).poll(0) and not self._is_reading

    def _read(
        self, strings: Sequence[str], hashes: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> Found:
        is_hasty = deadline.budget(self._wait) < min(self._wait, _LEAST_TIME)
        if is_hasty or not self._lock.acquire(blocking=False):
            return self._read_untracked(strings, hashes, fields)
        try:
            self._is_reading = True
            self._make_current()
            found = self._read_tracked(strings, hashes, fields)
            # Invalidations that came with the last answer may be in a buffer, unseen by `poll`.
            self._drain()
        except BaseException:
            # Answers that nobody waits for may still arrive on this connection.
            self._disconnect()
            raise
        finally:
            self._is_reading = False
            self._lock.release()
        return found

    def _read_untracked(
        self, strings: Sequence[str], hashes: Sequence[str], fields: Sequence[str]
    ) -> Found:
        self.asked += len(strings) + len(hashes) * len(fields)
        found = self._untracked.many(strings, hashes, fields)
        self._memory.note_untracked(strings, hashes, fields, found)
        return found

    def _read_tracked(
        self, strings: Sequence[str], hashes: Sequence[str], fields: Sequence[str]
    ) -> Found:
        memory = self._memory
        found = {key: value for key in strings if (value := memory.string(key)) is not UNKNOWN}
        known = {key: memory.fields(key, fields) for key in hashes}
        unknown = [key for key in strings if key not in found]
        unknown_hashes = [(key, fields) for key, values in known.items() if values is None]
        if unknown or unknown_hashes:
            # Other callers read these untracked; now they are remembered, too.
            more, more_hashes = memory.take_untracked(_UNTRACKED_AT_A_TIME)
            unknown += more
            unknown_hashes += more_hashes
        asked = list(batched(dict.fromkeys(unknown), _KEYS_A_COMMAND))
        commands = [("MGET", *keys) for keys in asked]
        commands += [("HMGET", key, *names) for key, names in unknown_hashes]
        self.asked += sum(map(len, asked)) + sum(len(names) for _, names in unknown_hashes)
        answers = self._ask(commands)
        # Each answer is remembered before the next one is read, because the invalidation of the
        # first may come between them.
        for keys in asked:
            values = dict(zip(keys, next(answers), strict=True))
            found.update(values)
            if self._is_tracking:
                memory.remember(values)
        for key, names in unknown_hashes:
            answer = next(answers)
            if names is fields:
                known[key] = answer
            if self._is_tracking:
                memory.remember({key: dict(zip(names, answer, strict=True))})
        return Found(
            [cast(bytes | None, found[key]) for key in strings],
            [known[key] or [] for key in hashes],
        )

    def _make_current(self) -> None:
        """Connects if needed, and applies every invalidation that the store has sent."""
        if self._is_connected:
            try:
                self._drain()
                if self._now() - self._heard >= _TRUSTED:
                    next(self._ask([("PING",)]))
            except redis.ConnectionError:
                # The store, or a network device, closed the idle connection.
                self._disconnect()
        if not self._is_connected:
            self._connect()

    def _connect(self) -> None:
        self._connection.connect()
        self._is_connected = True
        self.connected += 1
        self._socket = self._connection._sock.fileno()
        # As redis-py's own cache does, because it has no public way to receive invalidations.
        self._connection._parser.set_invalidation_push_handler(self._invalidate)
        try:
            next(self._ask([("CLIENT", "TRACKING", "ON")]))
            self._is_tracking = True
        except redis.ResponseError:
            self._is_tracking = False
            why = "the store does not let REDIS_URL's user do CLIENT TRACKING"
            structlog.get_logger().warning("every read asks the store", why=why)

    def _disconnect(self) -> None:
        self._heard = -math.inf
        self._memory.clear()
        self._is_connected = False
        self._connection.disconnect()

    def _drain(self) -> None:
        while self._connection.can_read(0):
            self._connection.read_response(push_request=True)

    def _ask(self, commands: Sequence[tuple[str, ...]]) -> Iterator[Any]:
        """Yields the answers one by one; the caller must read all of them."""
        if not commands:
            return
        asked = self._now()
        self._connection.send_packed_command(self._connection.pack_commands(commands))
        self._await_answer()
        for _ in commands:
            answer = self._connection.read_response()
            self._heard = asked
            yield answer

    def _await_answer(self) -> None:
        """Waits for an answer. Meanwhile hits may use the memory, because they poll the socket."""
        if self._connection.can_read(0):
            return
        seconds = deadline.budget(self._wait)
        self._is_reading = False
        is_there = _arrived(self._socket).poll(seconds * 1_000)
        self._is_reading = True
        if not is_there:
            raise redis.TimeoutError("the store does not answer in time")

    def _invalidate(self, message: Sequence[Any]) -> None:
        keys = message[1]
        if keys is None:  # FLUSHALL
            self._memory.clear()
        else:
            self._memory.forget(key.decode() for key in keys)


def _arrived(socket: int) -> "select.poll":
    # A new object for each poll, because two threads must not share one. They could share an
    # epoll, but then one poll could hide an event from another (Linux 5.1 to 6.17,
    # ep_events_available).
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return poll
