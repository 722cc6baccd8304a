"""Reads that are remembered: every change is visible, and unknown values are requested."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest
import redis
from prometheus_client import CollectorRegistry, generate_latest

from services.runtime import read_metrics
from services.store import deadline
from services.store.client import connect, connect_reads
from services.store.reads import Reads, StoreReads
from services.store.settings import StoreSettings
from services.store.store import Store
from services.store.tracked_reads import TrackedReads
from tests.stack.waiting import until
from tests.support.scripted_store import ScriptedStore, changed, running, values
from tests.support.store_server import SERVERS, ServerProcess, server, store_settings


@pytest.fixture
def reads(any_store: StoreSettings, store: Store) -> Reads:
    return connect_reads(any_store, store)


def test_values_come_in_the_order_of_the_request(reads: Reads, store: Store) -> None:
    store.set("b", b"2")
    store.set("a", b"1")
    store.hset("h", "x", b"")
    found = reads.many(["a", "none", "b", "a"], ["h", "none"], ["y", "x"])
    assert found.strings == [b"1", None, b"2", b"1"]
    assert found.hashes == [[None, b""], [None, None]]
    assert reads.many(["a"], ["h"], ["x"]) == ([b"1"], [[b""]])
    assert reads.get("a") == b"1"
    assert reads.hmget("h", ["x"]) == [b""]
    assert reads.many([]) == ([], [])


def _is(reads: Reads, value: bytes) -> bool:
    return reads.get("a") == value and reads.hmget("h", ["x"]) == [value]


def test_a_change_is_seen(reads: Reads, store: Store) -> None:
    for value in (b"1", b"2", b"3"):
        store.set("a", value)
        store.hset("h", "x", value)
        until(partial(_is, reads, value), "the change is seen")
        assert reads.many(["a"], ["h"], ["x"]) == ([value], [[value]])
    store.delete("a")
    store.hdel("h", "x")
    until(lambda: reads.get("a") is None, "the string is gone")
    until(lambda: reads.hmget("h", ["x"]) == [None], "the field is gone")


def test_a_value_of_another_type_is_an_error_and_the_next_read_succeeds(
    reads: Reads, store: Store
) -> None:
    store.set("a", b"1")
    with pytest.raises(redis.ResponseError):
        reads.hmget("a", ["x"])
    assert reads.get("a") == b"1"


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


@pytest.fixture
def tracked(store_server: ServerProcess) -> Tracked:
    return Tracked(store_server)


def test_a_remembered_value_is_not_requested_again(tracked: Tracked) -> None:
    tracked.store.set("a", b"1")
    for _ in range(3):
        assert tracked.reads.get("a") == b"1"
        assert tracked.reads.get("nothing") is None
        assert tracked.reads.hmget("h", ["x", "y"]) == [None, None]
        assert tracked.reads.hmget("h", ["y"]) == [None]
    assert tracked.asked() == 3
    assert tracked.reads.hmget("h", ["z", "x"]) == [None, None]
    assert tracked.reads.hmget("h", ["x", "y", "z"]) == [None, None, None]
    assert tracked.asked() == 4


def test_a_read_of_many_values_requests_each_unknown_value_once(tracked: Tracked) -> None:
    keys = [f"k{number}" for number in range(1_200)]
    for key in keys:
        tracked.store.set(key, key)
    small = Tracked(tracked.server, most=10_000)
    assert small.reads.get("k7") == b"k7"
    before = tracked.asked()
    assert small.reads.many(keys).strings == [key.encode() for key in keys]
    assert small.reads.many(keys).strings == [key.encode() for key in keys]
    assert tracked.asked() == before + 3  # 500 keys a command


def test_the_memory_is_trusted_for_a_second_after_the_store_falls_silent(
    store_server: ServerProcess,
) -> None:
    tracked = Tracked(store_server, wait=1.0)
    tracked.store.set("a", b"1")
    assert tracked.reads.get("a") == b"1"
    store_server.process.send_signal(signal.SIGSTOP)
    tracked.time = 0.9
    assert tracked.reads.get("a") == b"1"
    tracked.time = 1.0
    with pytest.raises(redis.TimeoutError):
        tracked.reads.get("a")
    store_server.process.send_signal(signal.SIGCONT)
    assert tracked.reads.get("a") == b"1"


def test_the_memory_is_trusted_again_after_the_store_answers(tracked: Tracked) -> None:
    tracked.reads.get("a")
    for second in range(1, 5):
        tracked.time = float(second)
        assert tracked.reads.get("a") is None
    assert tracked.asked() == 1


def test_a_deadline_ends_the_wait_for_a_silent_store(store_server: ServerProcess) -> None:
    settings = store_settings(store_server.port)
    reads = connect_reads(settings, connect(settings))
    assert reads.get("a") is None
    store_server.process.send_signal(signal.SIGSTOP)
    with deadline.within(0.1), pytest.raises(redis.TimeoutError):
        reads.get("b")
    with deadline.within(0), pytest.raises(deadline.DeadlinePassedError):
        reads.get("b")


def test_no_read_of_a_silent_store_waits_for_another_read(
    store_server: ServerProcess,
) -> None:
    tracked = Tracked(store_server, wait=1.0)
    tracked.reads.get("a")
    store_server.process.send_signal(signal.SIGSTOP)
    errors: list[Exception] = []

    def read(key: str) -> None:
        try:
            tracked.reads.get(key)
        except redis.RedisError as error:
            errors.append(error)

    threads = [threading.Thread(target=read, args=(f"k{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert [type(error) for error in errors] == [redis.TimeoutError] * 4


def test_after_a_closed_connection_nothing_is_remembered(
    tracked: Tracked,
) -> None:
    tracked.store.set("a", b"1")
    assert tracked.reads.get("a") == b"1"
    with redis.Redis(port=tracked.server.port) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        client.set("a", b"2")
    assert tracked.reads.get("a") == b"2"


def test_the_connection_is_restored_any_number_of_times(store_server: ServerProcess) -> None:
    settings = store_settings(store_server.port)
    store = connect(settings)
    reads = connect_reads(settings, store)
    with redis.Redis(port=store_server.port) as client:
        for number in range(2 * settings.max_connections):
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            client.set("a", number)
            assert reads.get("a") == str(number).encode()


def test_a_store_that_comes_back_empty_is_read_as_empty(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with server(SERVERS["valkey"], tmp_path_factory.mktemp("first")) as first:
        tracked = Tracked(first)
        tracked.store.set("a", b"1")
        assert tracked.reads.get("a") == b"1"
    with suppress(redis.RedisError):
        tracked.reads.get("a")
    with server(SERVERS["valkey"], tmp_path_factory.mktemp("second"), first.port):
        assert tracked.reads.get("a") is None


def test_flushall_forgets_everything(tracked: Tracked) -> None:
    tracked.store.set("a", b"1")
    assert tracked.reads.get("a") == b"1"
    with redis.Redis(port=tracked.server.port) as client:
        client.flushall()
    until(lambda: tracked.reads.get("a") is None, "the value is gone")


def test_an_expired_value_is_forgotten(tracked: Tracked) -> None:
    tracked.store.set("a", b"1", ex=1)
    assert tracked.reads.get("a") == b"1"
    until(lambda: tracked.reads.get("a") is None, "the value has expired")


@pytest.mark.parametrize("count", [50, 5_000])
def test_no_more_values_are_remembered_than_allowed(
    store_server: ServerProcess, count: int
) -> None:
    tracked = Tracked(store_server, most=100)
    for number in range(count):
        tracked.reads.many([f"s{number}"], [f"h{number}"], ["x", "y"])
        assert tracked.reads.kept <= 100
    tracked.reads.many([f"t{number}" for number in range(1_000)])
    assert tracked.reads.kept <= 100
    assert sum(
        len(v) if isinstance(v, dict) else 1 for v in tracked.reads._memory._known.values()
    ) == (tracked.reads.kept)


def test_without_permission_for_tracking_each_read_asks_the_store(tracked: Tracked) -> None:
    with redis.Redis(port=tracked.server.port) as client:
        client.execute_command("ACL", "SETUSER", "default", "-client|tracking")
    for value in (b"1", b"2"):
        tracked.store.set("a", value)
        assert tracked.reads.get("a") == value


def test_readers_never_remember_a_value_that_was_replaced(store_server: ServerProcess) -> None:
    settings = store_settings(store_server.port)
    store = connect(settings)
    reads = connect_reads(settings, store)
    assert isinstance(reads, TrackedReads)
    ended = threading.Event()
    wrong: list[str] = []

    def read() -> None:
        seen = 0
        while not ended.is_set():
            value = int(reads.many(["a"], ["h"], ["x"]).strings[0] or 0)
            if value < seen:
                wrong.append(f"{value} after {seen}")
            seen = max(seen, value, int(reads.get("a") or 0))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 3_001):
        store.set("a", number)
        store.hset("h", "x", number)
    until(lambda: reads.get("a") == b"3000", "the last value is seen")
    until(lambda: reads.hmget("h", ["x"]) == [b"3000"], "the last value is seen")
    ended.set()
    for thread in threads:
        thread.join(5)
    assert wrong == []


@pytest.fixture
def without_memory(any_store: StoreSettings, store: Store) -> Reads:
    return connect_reads(any_store.model_copy(update={"cache_values": 0}), store)


def test_without_memory_each_read_asks_the_store(without_memory: Reads) -> None:
    assert isinstance(without_memory, StoreReads)


def scripted(**script: list[bytes]) -> ScriptedStore:
    return ScriptedStore(script)


@contextmanager
def reads_of(store: ScriptedStore) -> Iterator[Reads]:
    with running(store) as port:
        settings = store_settings(port)
        yield connect_reads(settings, connect(settings))


def test_an_invalidation_right_after_the_answer_is_applied() -> None:
    store = scripted(MGET=[values("old") + changed("a"), values("new")])
    with reads_of(store) as reads:
        assert reads.get("a") == b"old"
        assert reads.get("a") == b"new"
        assert reads.get("a") == b"new"
    assert store.asked == ["MGET", "MGET"]


def test_an_invalidation_between_two_answers_belongs_to_the_first() -> None:
    store = scripted(
        MGET=[values("old") + changed("a"), values("new")],
        HMGET=[values("1")],
    )
    with reads_of(store) as reads:
        assert reads.many(["a"], ["h"], ["x"]) == ([b"old"], [[b"1"]])
        assert reads.many(["a"], ["h"], ["x"]) == ([b"new"], [[b"1"]])
    assert store.asked == ["MGET", "HMGET", "MGET"]


def test_an_invalidation_before_an_answer_does_not_concern_it() -> None:
    store = scripted(MGET=[changed("a") + values("new")])
    with reads_of(store) as reads:
        assert [reads.get("a"), reads.get("a")] == [b"new", b"new"]
    assert store.asked == ["MGET"]


def test_after_an_error_the_next_read_reconnects() -> None:
    store = scripted(MGET=[b"-ERR broken\r\n", values("good", "good")])
    with reads_of(store) as reads:
        with pytest.raises(redis.RedisError):
            reads.many(["a", "b"])
        assert reads.many(["a", "b"]).strings == [b"good", b"good"]


def test_metrics_show_the_use_of_the_memory(tracked: Tracked) -> None:
    registry = CollectorRegistry()
    read_metrics.register(registry, tracked.reads)
    read_metrics.register(registry, StoreReads(tracked.store))
    for _ in range(3):
        tracked.reads.many(["a", "b"], ["h"], ["x", "y", "z"])
    text = generate_latest(registry).decode()
    assert "levelgate_store_values_read_total 5.0" in text
    assert "levelgate_values_kept 5.0" in text
    assert "levelgate_store_tracking_connections_total 1.0" in text
