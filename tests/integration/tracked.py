"""Tracked reads of a real store with a clock that the test sets, and of a scripted one."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from services.store.client import connect, connect_reads
from services.store.reads import StoreReads
from services.store.tracked_reads import TrackedReads
from tests.support.scripted_store import ScriptedStore, running
from tests.support.store_server import ServerProcess, store_settings


class Tracked:
    """Tracked reads of a store that the test may freeze, with a clock that the test sets."""

    def __init__(self, server: ServerProcess, most: int = 1_000, wait: float = 5.0) -> None:
        self.server = server
        self.time = 0.0
        settings = store_settings(server.port, timeout=wait)
        self.store = connect(settings)
        pool = redis.ConnectionPool.from_url(server.address, protocol=3, socket_timeout=wait)
        untracked = StoreReads(self.store)
        self.reads = TrackedReads(
            pool.make_connection(), untracked, most, wait, now=lambda: self.time
        )

    def asked(self) -> int:
        """How many reads the store has answered."""
        with redis.Redis(port=self.server.port) as client:
            found = client.info("commandstats")
        return sum(
            found.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("mget", "hmget")
        )


def connected(server: ServerProcess) -> TrackedReads:
    """The reads of a service."""
    settings = store_settings(server.port)
    reads = connect_reads(settings, connect(settings))
    assert isinstance(reads, TrackedReads)
    return reads


@contextmanager
def reads_of(store: ScriptedStore) -> Iterator[TrackedReads]:
    with running(store) as port:
        settings = store_settings(port)
        reads = connect_reads(settings, connect(settings))
        assert isinstance(reads, TrackedReads)
        yield reads
