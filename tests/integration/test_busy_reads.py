"""While one caller uses the tracked connection, others neither wait nor read old values."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from services.store import deadline
from services.store.client import connect
from services.store.tracked_reads import TrackedReads
from tests.integration.tracked import connected, reads_of
from tests.stack.waiting import until
from tests.support.scripted_store import Answer, Held, ScriptedStore, values
from tests.support.store_server import ServerProcess, store_settings


@contextmanager
def under_way(read: Callable[[], Any], held: Held) -> Iterator[list[Any]]:
    """Runs a read in another thread while the store is silent; the list gets its result."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(read()))
    thread.start()
    assert held.asked.wait(10)
    try:
        yield found
    finally:
        held.let.set()
        thread.join(10)


def test_a_miss_does_not_wait_for_the_read_of_another_caller() -> None:
    held = Held(values("slow"))
    store = ScriptedStore({"MGET": [held, values("b", "c")], "HMGET": [values("h")]})
    with reads_of(store) as reads:
        with under_way(lambda: reads.get("a"), held) as found:
            assert reads.many(["b", "c"]).strings == [b"b", b"c"]
            assert reads.hmget("h", ["x"]) == [b"h"]
            assert found == []
        assert found == [b"slow"]


def test_a_hit_neither_waits_nor_asks_the_store() -> None:
    held = Held(values("slow"))
    strings: list[Answer] = [values("known"), held, values("known", "c")]
    store = ScriptedStore({"MGET": strings, "HMGET": [values("x")]})
    with reads_of(store) as reads:
        reads.get("a")
        reads.hmget("h", ["x"])
        with under_way(lambda: reads.get("b"), held):
            until(reads._is_current, "the other thread has sent its question")
            assert reads.get("a") == b"known"
            assert reads.hmget("h", ["x"]) == [b"x"]
            assert reads.many(["a"], ["h"], ["x"]) == ([b"known"], [[b"x"]])
            assert store.asked == ["MGET", "HMGET", "MGET"]
            # A value that an untracked read found unchanged is still remembered.
            assert reads.many(["a", "c"]).strings == [b"known", b"c"]
            assert reads.get("a") == b"known"


def test_an_untracked_read_is_not_followed_by_an_older_value() -> None:
    held = Held(values("old"))
    store = ScriptedStore({"MGET": [held, values("new"), values("newer")]})
    with reads_of(store) as reads:
        with under_way(lambda: reads.get("a"), held) as found:
            assert reads.get("a") == b"new"
        assert found == [b"old"]
        assert [reads.get("a"), reads.get("a")] == [b"newer"] * 2
    assert store.asked == ["MGET"] * 3


def test_a_remembered_value_is_forgotten_after_an_untracked_read_of_another_value() -> None:
    held = Held(values("b"))
    strings: list[Answer] = [values("old"), held, values("new", "c"), values("new", "c")]
    hashes = [values("1"), values("2", "3"), values("2", "3")]
    with reads_of(ScriptedStore({"MGET": strings, "HMGET": hashes})) as reads:
        assert reads.get("a") == b"old"
        assert reads.hmget("h", ["x"]) == [b"1"]
        with under_way(lambda: reads.get("b"), held):
            assert reads.many(["a", "c"]).strings == [b"new", b"c"]
            assert reads.hmget("h", ["x", "y"]) == [b"2", b"3"]
        assert reads.get("a") == b"new"
        assert reads.hmget("h", ["x"]) == [b"2"]


def test_values_read_untracked_are_remembered_with_the_next_read() -> None:
    held = Held(values("slow"))
    answers: list[Answer] = [held, values("b"), values("c", "b")]
    store = ScriptedStore({"MGET": answers, "HMGET": [values("h"), values("h")]})
    with reads_of(store) as reads:
        with under_way(lambda: reads.get("a"), held):
            assert reads.get("b") == b"b"
            assert reads.hmget("h", ["x"]) == [b"h"]
        assert reads.get("c") == b"c"
        assert store.asked == ["MGET", "MGET", "HMGET", "MGET", "HMGET"]
        assert reads.many(["a", "b", "c"], ["h"], ["x"]) == ([b"slow", b"b", b"c"], [[b"h"]])
    assert len(store.asked) == 5


@pytest.fixture
def reads(store_server: ServerProcess) -> TrackedReads:
    return connected(store_server)


def test_an_invalidation_that_was_received_but_not_applied_prevents_a_hit(
    store_server: ServerProcess, reads: TrackedReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = connect(store_settings(store_server.port))
    store.set("a", b"old")
    assert reads.get("a") == b"old"
    store.set("a", b"new")
    store.confirm()
    is_off, may_apply, forget = threading.Event(), threading.Event(), reads._memory.forget

    def slowly(keys: Iterable[str]) -> None:
        is_off.set()
        assert may_apply.wait(10)
        forget(keys)

    monkeypatch.setattr(reads._memory, "forget", slowly)
    thread = threading.Thread(target=reads.get, args=("b",))
    thread.start()
    assert is_off.wait(10)
    try:
        assert reads.get("a") == b"new"
    finally:
        may_apply.set()
        thread.join(10)


def test_a_caller_with_little_time_left_does_not_clear_the_memory(
    store_server: ServerProcess, reads: TrackedReads
) -> None:
    reads.get("a")
    store_server.process.send_signal(signal.SIGSTOP)
    with deadline.within(0.04), pytest.raises(redis.TimeoutError):
        reads.get("b")
    assert reads.kept == 1


def test_the_number_of_additional_values_in_a_read_is_bounded(reads: TrackedReads) -> None:
    reads.get("first")
    with reads._lock:
        for number in range(40):
            reads.get(f"k{number}")
        reads.hmget("large", [f"f{number}" for number in range(1_000)])
        reads.hmget("small", ["f", "g"])
        for number in range(40):
            reads.get(f"l{number}")
    reads.get("last")
    assert reads.kept == 2 + 50
