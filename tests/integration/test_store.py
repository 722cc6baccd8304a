"""Every wait for the store ends by the deadline; data of another layout is refused."""

import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import redis

from services.store import deadline, keys, layout
from services.store.client import connect, is_unavailable
from services.store.compare_and_set import CompareAndSet
from services.store.keys import Buckets
from services.store.store import Store
from tests.stack.waiting import free_ports
from tests.support.store_server import SERVERS, server, store_settings


def seconds_to_fail(call: Callable[[], object]) -> float:
    started = time.monotonic()
    with pytest.raises((redis.RedisError, deadline.DeadlinePassedError)) as raised:
        call()
    if isinstance(raised.value, redis.RedisError):
        assert is_unavailable(raised.value)
    return time.monotonic() - started


def test_a_refused_port_fails_immediately() -> None:
    # 3.6 s with redis-py's defaults.
    store = connect(store_settings(free_ports(1)[0], timeout=5))
    assert seconds_to_fail(store.ping) < 2


def test_a_silent_port_fails_after_the_configured_timeout() -> None:
    # 59 s with redis-py's defaults.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = connect(store_settings(silent.getsockname()[1], timeout=0.2))
        assert 0.1 < seconds_to_fail(store.ping) < 5


def test_a_silent_port_fails_by_an_earlier_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = connect(store_settings(silent.getsockname()[1], timeout=60))
        with deadline.within(0.2):
            assert seconds_to_fail(store.ping) < 5


def test_an_existing_connection_that_falls_silent_fails_by_the_deadline(tmp_path: Path) -> None:
    with server(SERVERS["valkey"], tmp_path) as running:
        store = connect(store_settings(running.port, timeout=60))
        store.ping()
        running.process.send_signal(signal.SIGSTOP)
        with deadline.within(0.2):
            assert seconds_to_fail(store.ping) < 5


def test_no_command_is_sent_after_the_deadline(store: Store) -> None:
    store.ping()
    with deadline.within(-1), pytest.raises(deadline.DeadlinePassedError):
        store.ping()
    store.ping()


def test_a_change_that_loses_every_race_ends_by_the_deadline(store: Store) -> None:
    def decide(_read: bytes | None) -> bytes:
        with deadline.within(None):
            store.set("key", f"another writer's {time.monotonic_ns()}")
        return b"ours"

    with deadline.within(0.2):
        assert seconds_to_fail(lambda: CompareAndSet(store).change("key", decide)) < 5
    assert store.get("key") != b"ours"


@pytest.mark.parametrize(("processes", "most_attempts"), [(1, 1.2), (4, 8)])
def test_concurrent_writers_lose_no_change_and_seldom_repeat_one(
    store: Store, processes: int, most_attempts: float
) -> None:
    """An object for each process: only threads of the same process wait for each other."""
    objects = [CompareAndSet(store) for _ in range(processes)]
    attempts = []

    def add_one(read: bytes | None) -> bytes:
        attempts.append(read)
        return b"%d" % (int(read or 0) + 1)

    def write(number: int) -> None:
        with deadline.within(20):
            objects[number % processes].change("key", add_one)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(write, range(160)))
    assert store.get("key") == b"160"
    assert len(attempts) <= 160 * most_attempts


@pytest.mark.stores("valkey")
def test_a_writer_does_not_wait_long_for_another_one_that_hangs(store: Store) -> None:
    changes = CompareAndSet(store)
    hangs, may_end = Event(), Event()

    def hang(_read: bytes | None) -> bytes:
        hangs.set()
        assert may_end.wait(20)
        return b"last"

    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(changes.change, "key", hang)
        try:
            assert hangs.wait(5)
            with deadline.within(0.1):
                assert seconds_to_fail(lambda: changes.change("key", lambda _: b"late")) < 0.8
            changes.change("key", lambda _: b"second")
            assert store.get("key") == b"second"
        finally:
            may_end.set()
        hanging.result()
    assert store.get("key") == b"last"


def test_an_empty_store_is_claimed_and_found_again(store: Store) -> None:
    layout.claim(store, Buckets())
    layout.claim(store, Buckets())
    assert store.get(keys.LAYOUT) == b'{"buckets": 1024, "format": 2}'


def test_the_mark_of_an_earlier_format_is_accepted_and_raised_by_writers(store: Store) -> None:
    store.set(keys.LAYOUT, '{"buckets": 1024, "format": 1}')
    layout.claim(store, Buckets())
    assert store.get(keys.LAYOUT) == b'{"buckets": 1024, "format": 1}'
    layout.claim(store, Buckets(), is_writer=True)
    assert store.get(keys.LAYOUT) == b'{"buckets": 1024, "format": 2}'


@pytest.mark.parametrize(
    "theirs",
    [
        '{"buckets": 512, "format": 2}',
        '{"buckets": 1024, "format": 3}',
        '{"buckets": 1024, "format": 0}',
        '{"buckets": 1024}',
        "x",
        "[]",
        "",
    ],
)
def test_data_of_another_layout_is_refused_and_stays_unchanged(store: Store, theirs: str) -> None:
    store.set(keys.LAYOUT, theirs)
    with pytest.raises(layout.LayoutMismatchError):
        layout.claim(store, Buckets(), is_writer=True)
    assert store.get(keys.LAYOUT) == theirs.encode()
