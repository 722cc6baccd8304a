"""WatchLevels through a real service: no gaps, no repeats, and a clear end."""

import threading
from pathlib import Path
from typing import Any

import grpc
import pytest

from levelgate.member.v1 import member_history_pb2
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from operations.demo import prepare
from services.store.keys import Buckets
from services.store.store import Store
from tests.stack.waiting import until
from tests.support.member_calls import (
    exported,
    failure,
    upgrade,
    watched,
)
from tests.support.service import Service, running_service


def test_a_watch_starts_now_and_goes_on_from_a_cursor_without_gaps_or_repeats(
    member: Service,
) -> None:
    _, cursor = watched(member, "", 0)
    seen: list[tuple[str, int]] = []
    for point in range(1, 31):
        upgrade(member, "42", point)
        if point % 10 == 0:
            # Reconnects each time, with the cursor of the message that came last.
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
def test_a_wrong_cursor_is_refused(member: Service, cursor: str) -> None:
    wanted = ("INVALID_ARGUMENT", "CURSOR_INVALID", "cursor")
    assert failure(lambda: watched(member, cursor, 1)) == wanted
    assert failure(lambda: exported(member, cursor=cursor)) == wanted


def test_a_cursor_of_changes_that_are_no_longer_kept_has_expired(
    member: Service, store: Store
) -> None:
    _, cursor = watched(member, "", 0)
    upgrade(member, "42", 1)
    upgrade(member, "42", 2)
    store.register_script("return redis.call('XTRIM', KEYS[1], 'MAXLEN', 1)")(
        [Buckets().of("42").feed]
    )
    assert failure(lambda: watched(member, cursor, 1)) == (
        "OUT_OF_RANGE",
        "CURSOR_EXPIRED",
        "cursor",
    )


def test_a_cursor_from_the_future_is_of_another_store(member: Service, store: Store) -> None:
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


def _is_free(service: Service) -> bool:
    try:
        return watched(service, "", 0)[1] != ""
    except grpc.RpcError:
        return False


def test_a_service_that_goes_down_ends_its_watches(member: Service) -> None:
    stub = MemberHistoryStub(member.channel)
    stream = stub.WatchLevels(
        member_history_pb2.WatchLevelsRequest(), timeout=30, metadata=member.metadata
    )
    next(stream)
    member.process.terminate()
    assert failure(lambda: next(stream))[0] == "UNAVAILABLE"
    assert member.process.wait(15) == 0
