"""The Redis client, with the deadlines that redis-py's defaults lack.

Measured with redis-py's defaults, a GET takes 3.6 s if the port is refused and 59 s if the store is
silent. Here nothing is retried, and every connect, send and read ends by the call's deadline or by
the setting, whichever is earlier.
"""

import socket
from collections.abc import Sequence
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.exceptions import ClusterDownError, MasterDownError, TryAgainError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from services.store import deadline, keys, layout
from services.store.cluster import ClusterStore
from services.store.credentials import PasswordFile
from services.store.keys import Buckets
from services.store.name_lookup import require_resolvable
from services.store.reads import Reads, StoreReads
from services.store.settings import StoreSettings
from services.store.store import Store
from services.store.tracked_reads import TrackedReads

# Answers of a store that is up but cannot serve now. redis-py has classes for some of them, whose
# text lacks the first word: memory full, a replica instead of the primary, slots without a node or
# in migration.
_REFUSAL_CLASSES = (
    redis.OutOfMemoryError,
    redis.ReadOnlyError,
    ClusterDownError,
    MasterDownError,
    TryAgainError,
)
# The others are recognised by their first word: disk full, too few replicas, a blocked script.
_REFUSALS = ("MISCONF", "NOREPLICAS", "BUSY")


class _ObeysDeadline(Connection):
    """A connection whose waits end by the deadline of the call that uses it."""

    _sock: socket.socket | None  # type: ignore[assignment]  # redis-py says None

    # redis-py reads both settings through these properties whenever it connects.
    @property
    def socket_connect_timeout(self) -> float | None:
        return _budget(self._socket_connect_timeout)

    @socket_connect_timeout.setter
    def socket_connect_timeout(self, value: float | None) -> None:
        self._socket_connect_timeout = value

    @property
    def socket_timeout(self) -> float | None:
        return _budget(self._socket_timeout)

    @socket_timeout.setter
    def socket_timeout(self, value: float | None) -> None:
        self._socket_timeout = value

    def _connect(self) -> socket.socket:
        require_resolvable(self.host, self.port, self.socket_connect_timeout)
        return cast(socket.socket, super()._connect())  # type: ignore[no-untyped-call]

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self._sock is not None:
            # The reply is read with the timeout that the socket has when the command is sent.
            self._sock.settimeout(self.socket_timeout)
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]


class _SecureObeysDeadline(_ObeysDeadline, SSLConnection):
    """The same over TLS."""


def _budget(limit: float | None) -> float | None:
    return None if limit is None else deadline.budget(limit)


class _Single(redis.Redis):
    """A store that is a single node."""

    is_remembered = False
    """Whether services answer reads of this store from memory."""

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        return cast(list[bytes | None], self.mget(names)) if names else []

    def confirm(self) -> None:
        # The store answers the writer before it sends the invalidations: 41-57 of 600 checks read
        # an old value, up to 175 ms later. But it sends everything that one turn of its event loop
        # has produced before it reads new commands, on any connection: docs/adr/0009.
        if self.is_remembered:
            self.ping()


def connect(settings: StoreSettings, buckets: Buckets | None = None) -> Store:
    """A client for the store; it connects when it is first used.

    With `buckets`, each new connection to a single node checks the layout of the data. An address
    may suddenly lead to another store, and the service would write there until its next probe.
    Raises ValueError for an invalid address.
    """
    if settings.is_cluster:
        return cast(Store, ClusterStore(settings.address, _no_retry(), _options(settings)))
    check = {} if buckets is None else {"redis_connect_func": partial(_connect_to, buckets)}
    single = _Single(connection_pool=_pool(settings, **check))
    single.is_remembered = settings.cache_values > 0
    return cast(Store, single)


def connect_reads(settings: StoreSettings, store: Store) -> Reads:
    """The reads of the busy paths, answered from memory if the store can send invalidations.

    On a cluster each read asks the store, because the tracked connections would have to follow the
    slots as they move between nodes.
    """
    if settings.is_cluster or not settings.cache_values:
        return StoreReads(store)
    # One connection, which reconnects as often as needed; a pool limits how many it creates.
    connection = _pool(settings).make_connection()
    untracked = StoreReads(store)
    return TrackedReads(connection, untracked, settings.cache_values, settings.timeout_seconds)


def _pool(settings: StoreSettings, **more: Any) -> redis.ConnectionPool:
    options = {**_options(settings), **more}
    return redis.ConnectionPool.from_url(settings.address, retry=_no_retry(), **options)


def _connect_to(buckets: Buckets, connection: Any) -> None:
    connection.on_connect()
    connection.send_command("GET", keys.LAYOUT)
    layout.require_readable(connection.read_response(), buckets)


def _no_retry() -> Retry:
    # A write that is repeated could be executed twice.
    return Retry(NoBackoff(), 0)


def _options(settings: StoreSettings) -> dict[str, Any]:
    is_secure = urlsplit(settings.address).scheme == "rediss"
    options: dict[str, Any] = {
        "connection_class": _SecureObeysDeadline if is_secure else _ObeysDeadline,
        "socket_timeout": settings.timeout_seconds,
        "socket_connect_timeout": settings.connect_seconds,
        "max_connections": settings.max_connections,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "protocol": 3,
    }
    if settings.password_file is not None:
        options["credential_provider"] = PasswordFile(settings.user, settings.password_file)
    return options


def is_unavailable(error: BaseException) -> bool:
    """Whether the store could not serve, as opposed to an invalid command."""
    if isinstance(error, _REFUSAL_CLASSES):
        return True
    if isinstance(error, redis.ResponseError):
        return str(error).startswith(_REFUSALS)
    return isinstance(error, redis.RedisError)


# From the most specific to the most general; the first match counts.
_WHY: tuple[tuple[type[redis.RedisError], str], ...] = (
    (redis.AuthenticationError, "it refuses REDIS_URL's user or the password"),
    (redis.exceptions.NoPermissionError, "it does not let REDIS_URL's user do this"),
    (redis.BusyLoadingError, "it is still loading its data"),
    (redis.OutOfMemoryError, "its memory is full"),
    (redis.ReadOnlyError, "it is a replica, or read-only"),
    (redis.TimeoutError, "it does not answer in time"),
    (redis.ConnectionError, "it cannot be reached"),
)


def why_unavailable(error: BaseException) -> str:
    """The reason for the operator, without the error's text, which may contain anything."""
    if isinstance(error, redis.ResponseError) and str(error).startswith("MISCONF"):
        return "it cannot write to its disk"
    return next((why for kind, why in _WHY if isinstance(error, kind)), "it refuses to serve")
