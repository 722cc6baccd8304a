"""Reads that are remembered: every change is visible, and unknown values are requested."""

import threading
from functools import partial

import pytest
import redis
from prometheus_client import CollectorRegistry, generate_latest

from services.runtime import read_metrics
from services.store.client import connect, connect_reads
from services.store.reads import Reads, StoreReads
from services.store.settings import StoreSettings
from services.store.store import Store
from tests.integration.tracked import Tracked, connected, reads_of
from tests.stack.waiting import until
from tests.support.scripted_store import ScriptedStore, changed, values
from tests.support.store_server import ServerProcess, store_settings

# How many values replace each other while others read.
LAST = 1_500


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


def test_flushall_forgets_everything(tracked: Tracked) -> None:
    tracked.store.set("a", b"1")
    assert tracked.reads.get("a") == b"1"
    with redis.Redis(port=tracked.server.port) as client:
        client.flushall()
    until(lambda: tracked.reads.get("a") is None, "the value is gone")


def test_an_expired_value_is_forgotten(tracked: Tracked) -> None:
    with redis.Redis(port=tracked.server.port) as client:
        client.set("a", b"1", px=500)
    assert tracked.reads.get("a") == b"1"
    until(lambda: tracked.reads.get("a") is None, "the value has expired")


@pytest.mark.parametrize("count", [50, 1_000])
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
    store = connect(store_settings(store_server.port))
    reads = connected(store_server)
    last = str(LAST).encode()
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
    for number in range(1, LAST + 1):
        store.set("a", number)
        store.hset("h", "x", number)
    until(lambda: reads.get("a") == last, "the last value is seen")
    until(lambda: reads.hmget("h", ["x"]) == [last], "the last value is seen")
    ended.set()
    for thread in threads:
        thread.join(5)
    assert wrong == []


def test_without_memory_each_read_asks_the_store(any_store: StoreSettings, store: Store) -> None:
    without_memory = any_store.model_copy(update={"cache_values": 0})
    assert isinstance(connect_reads(without_memory, store), StoreReads)


def scripted(**script: list[bytes]) -> ScriptedStore:
    return ScriptedStore(script)


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
