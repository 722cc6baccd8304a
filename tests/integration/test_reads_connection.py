"""Reads while the store is silent, gone or empty: nothing is trusted that may have changed."""

import signal
import threading
import time
from contextlib import suppress

import pytest
import redis

from services.store import deadline
from tests.integration.tracked import Tracked, connected, reads_of
from tests.support.scripted_store import ScriptedStore, values
from tests.support.store_server import SERVERS, ServerProcess, server, store_settings

# How long these reads wait for an answer.
WAIT = 0.5


@pytest.fixture
def tracked(store_server: ServerProcess) -> Tracked:
    return Tracked(store_server)


def test_the_memory_is_trusted_for_a_second_after_the_store_falls_silent(
    store_server: ServerProcess,
) -> None:
    tracked = Tracked(store_server, wait=WAIT)
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
    reads = connected(store_server)
    assert reads.get("a") is None
    store_server.process.send_signal(signal.SIGSTOP)
    with deadline.within(0.1), pytest.raises(redis.TimeoutError):
        reads.get("b")
    with deadline.within(0), pytest.raises(deadline.DeadlinePassedError):
        reads.get("b")


def test_no_read_of_a_silent_store_waits_for_another_read(
    store_server: ServerProcess,
) -> None:
    tracked = Tracked(store_server, wait=WAIT)
    tracked.reads.get("a")
    store_server.process.send_signal(signal.SIGSTOP)
    errors: list[Exception] = []

    def read(key: str) -> None:
        try:
            tracked.reads.get(key)
        except redis.RedisError as error:
            errors.append(error)

    began = time.monotonic()
    threads = [threading.Thread(target=read, args=(f"k{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert time.monotonic() - began < 4 * WAIT
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
    reads = connected(store_server)
    with redis.Redis(port=store_server.port) as client:
        for number in range(2 * store_settings(store_server.port).max_connections):
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


def test_after_an_error_the_next_read_reconnects() -> None:
    store = ScriptedStore({"MGET": [b"-ERR broken\r\n", values("good", "good")]})
    with reads_of(store) as reads:
        with pytest.raises(redis.RedisError):
            reads.many(["a", "b"])
        assert reads.many(["a", "b"]).strings == [b"good", b"good"]
