"""WatchLevels through a real service: no gaps, no repeats, and a clear failure at the end."""

import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from levelgate.access.v1.reason_pb2 import REASON_CURSOR_INVALID
from levelgate.member.v1 import member_history_pb2
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from operations.commands.demo import prepare
from services.member_level import watch as watch_of
from services.member_level.watch import Watch
from services.runtime.errors import Failure
from services.store.keys import Buckets
from services.store.scripts import Script
from services.store.store import Store
from services.user_state.feed import Feed
from services.user_state.history import State
from services.user_state.record import Source
from services.user_state.state import UserState
from tests.stack.waiting import until
from tests.support.levels import THRESHOLDS
from tests.support.member_calls import (
    exported,
    failure,
    upgrade,
    watched,
)
from tests.support.service import Service, running_service
from tests.support.store_server import empty

pytestmark = pytest.mark.stores("valkey")


@pytest.mark.stores("valkey", "cluster")
def test_a_watch_starts_now_and_continues_from_a_cursor_without_gaps_or_repeats(
    member: Service,
) -> None:
    _, cursor = watched(member, "", 0)
    seen: list[tuple[str, int]] = []
    for point in range(1, 31):
        upgrade(member, "42", point)
        if point % 10 == 0:
            # Reconnects each time with the cursor of the last message.
            changes, cursor = watched(member, cursor, 10)
            seen += [(each.user_id, each.change.to.points) for each in changes]
    assert seen == [("42", point) for point in range(1, 31)]


def test_a_watch_sees_a_change_while_it_waits(member: Service) -> None:
    _, cursor = watched(member, "", 0)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(watched(member, cursor, 1)[0]))
    thread.start()
    upgrade(member, "42", 600)
    thread.join(20)
    (only,) = found
    assert (only.user_id, only.change.to.level, only.change.rule_id) == ("42", 1, 2)


@pytest.mark.parametrize("cursor", ["nonsense", "w", "wAAAA", "e" + "A" * 40, "w" * 70_000])
def test_an_invalid_cursor_is_refused(member: Service, cursor: str) -> None:
    wanted = ("INVALID_ARGUMENT", "CURSOR_INVALID", "cursor")
    assert failure(lambda: watched(member, cursor, 1)) == wanted
    assert failure(lambda: exported(member, cursor=cursor)) == wanted


def test_a_cursor_before_trimmed_changes_has_expired(member: Service, store: Store) -> None:
    _, cursor = watched(member, "", 0)
    upgrade(member, "42", 1)
    upgrade(member, "42", 2)
    Script(store, "return redis.call('XTRIM', KEYS[1], 'MAXLEN', 1)")([Buckets().of("42").feed])
    assert failure(lambda: watched(member, cursor, 1)) == (
        "OUT_OF_RANGE",
        "CURSOR_EXPIRED",
        "cursor",
    )


def test_a_cursor_ahead_of_the_store_is_refused(member: Service, store: Store) -> None:
    upgrade(member, "42", 1)
    _, cursor = watched(member, "", 0)
    store.set(Buckets().of("42").versions, 0)
    assert failure(lambda: watched(member, cursor, 1))[1] == "CURSOR_INVALID"


def test_streams_beyond_the_limit_are_refused_and_the_other_calls_are_not(
    address: str, tmp_path: Path
) -> None:
    demo = prepare(address)
    with running_service(
        address, tmp_path / "log", MEMBER_LEVEL_STREAMS="2", MEMBER_LEVEL_THREADS="1"
    ) as service:
        service.token = demo.token
        service.wait_for("SERVING")
        stub = MemberHistoryStub(service.channel)
        request = member_history_pb2.WatchLevelsRequest()
        open_ = [stub.WatchLevels(request, timeout=30, metadata=service.metadata) for _ in range(2)]
        for stream in open_:
            next(stream)
        refused = failure(lambda: watched(service, "", 1))
        assert refused == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS", "")
        assert service.show().data.level == 5
        open_[0].cancel()
        until(lambda: _is_free(service), "a free stream")


class Busy:
    """Changes one member again and again."""

    def __init__(self, store: Store, user: str) -> None:
        self._users = UserState(store, Buckets())
        self._users.initialise(user, THRESHOLDS.levels[0], THRESHOLDS.version)
        self._user = user
        self.changes = 0

    def change(self, count: int) -> None:
        for _ in range(count):
            self.changes += 1
            self._users.set_points(self._user, self.changes, THRESHOLDS)

    def change_each_second(self, count: int, is_over: threading.Event) -> None:
        started, first = time.monotonic(), self.changes
        while not is_over.wait(0.001):
            # Makes up for lost time, but in small steps, so that a slow store can follow.
            due = first + int(count * (time.monotonic() - started))
            self.change(min(100, due - self.changes))


def test_a_busy_member_neither_ends_a_watch_nor_delays_the_changes_of_others(
    member: Service, store: Store
) -> None:
    busy, is_over = Busy(store, "busy"), threading.Event()
    _, cursor = watched(member, "", 0)
    stream = MemberHistoryStub(member.channel).WatchLevels(
        member_history_pb2.WatchLevelsRequest(cursor=cursor), timeout=60, metadata=member.metadata
    )
    thread = threading.Thread(target=busy.change_each_second, args=(1_500, is_over))
    thread.start()
    seen, others, waited = 0, 0, []
    asked = time.monotonic()
    upgrade(member, "42", 1)
    for message in stream:
        for each in message.changes:
            if each.user_id == "busy":
                seen += 1
                assert each.change.to.points == seen
            else:
                others += 1
                assert (each.user_id, each.change.to.points) == ("42", others)
                waited.append(time.monotonic() - asked)
                asked = time.monotonic()
                if others < 10:
                    upgrade(member, "42", others + 1)
        if seen >= 3_000 and others == 10 and not is_over.is_set():
            is_over.set()
            thread.join()
        if is_over.is_set() and seen == busy.changes:
            break
    stream.cancel()
    # Not the minute that the changes of the busy member would take.
    assert sorted(waited)[len(waited) // 2] < 1


@pytest.mark.parametrize("other", ["before", "after"])
def test_many_waiting_changes_of_one_member_leave_a_share_to_others(
    store: Store, other: str
) -> None:
    feed, users = Feed(store, Buckets()), UserState(store, Buckets())
    watch, busy = Watch(feed, ""), Busy(store, "busy")
    number = Buckets().of("busy").number
    busy.change(2_500)
    few = next(
        user
        for user in map(str, range(100))
        if (Buckets().of(user).number < number) == (other == "before")
    )
    users.initialise(few, THRESHOLDS.levels[0], THRESHOLDS.version)
    changes, is_more = watch.read()
    assert is_more
    assert [each.user for each in changes].count(few) == 1
    assert len(changes) == watch_of.CHANGES // 2 + 1
    changes, _ = Watch(feed, watch.cursor).read()
    assert len(changes) == watch_of.CHANGES
    while is_more:
        changes, is_more = watch.read()
    assert changes[-1].change.after == State(3, 2_500, Source.EARNED)
    assert watch.read() == ([], False)


@pytest.mark.stores("valkey", "cluster")
def test_every_bucket_gets_its_turn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_of, "BUCKETS", 3)
    watch, busy = Watch(Feed(store, Buckets()), ""), [Busy(store, str(n)) for n in range(10)]
    seen: set[str] = set()
    for _ in range(4):
        for each in busy:
            each.change(1)
        changes, is_more = watch.read()
        assert len({change.user for change in changes}) == 3
        assert is_more
        seen |= {change.user for change in changes}
    assert len(seen) == 10


def test_a_watch_ends_when_its_store_was_emptied(store: Store) -> None:
    busy = Busy(store, "busy")
    busy.change(5)
    watch = Watch(Feed(store, Buckets()), "")
    empty(store)
    Busy(store, "busy")
    with pytest.raises(Failure) as raised:
        watch.read()
    assert raised.value.reason == REASON_CURSOR_INVALID


def _is_free(service: Service) -> bool:
    try:
        return watched(service, "", 0)[1] != ""
    except grpc.RpcError:
        return False


def test_a_service_that_shuts_down_ends_its_watches(member: Service) -> None:
    stub = MemberHistoryStub(member.channel)
    stream = stub.WatchLevels(
        member_history_pb2.WatchLevelsRequest(), timeout=30, metadata=member.metadata
    )
    next(stream)
    member.process.terminate()
    assert failure(lambda: next(stream))[0] == "UNAVAILABLE"
    assert member.process.wait(15) == 0
