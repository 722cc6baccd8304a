"""Snapshots of users on each kind of store, and the call that streams both ways."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from levelgate.upbot.v1 import eligibility_pb2 as pb
from levelgate.upbot.v1.eligibility_pb2_grpc import EligibilityStub
from operations.demo import prepare
from services.store import deadline
from services.store.client import connect_reads
from services.store.keys import Buckets
from services.store.reads import Found, Reads, StoreReads, Values
from services.store.settings import StoreSettings
from services.store.store import Store
from services.upbot_checks.condition import Needs, Snapshot
from services.upbot_checks.fact import ANDROID, IOS, GameFact, GameKey, Star
from services.upbot_checks.facts import Facts
from services.upbot_checks.snapshots import Snapshots, VersionNotReachedError
from services.user_state.state import UserState
from services.user_state.steps import Step, Steps
from tests.integration.conftest import SERVERS, server
from tests.stack.waiting import free_ports, until

KEY = GameKey("cfm", "1", "2", "0", "bbb", 1)
STEPS = Steps(1, [Step(0, 0, 1), Step(1, 500, 2)])
BUCKETS = Buckets()


class Frozen:
    """Reads that went silent: they know what was once read, and nothing newer."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._known: dict[object, Any] = {}
        self.asked = 0

    def get(self, key: str) -> bytes | None:
        return self.many([key]).strings[0]

    def hmget(self, key: str, fields: Any) -> Values:
        return self.many([], [key], fields).hashes[0]

    def many(self, strings: Any, hashes: Any = (), fields: Any = ()) -> Found:
        question = (tuple(strings), tuple(hashes), tuple(fields))
        if question not in self._known:
            self.asked += 1
            self._known[question] = self._reads.many(strings, hashes, fields)
        found: Found = self._known[question]
        return found


@pytest.fixture
def users(store: Store) -> UserState:
    return UserState(store)


@pytest.fixture
def snapshots(any_store: StoreSettings, store: Store) -> Snapshots:
    return Snapshots(connect_reads(any_store, store), StoreReads(store), BUCKETS)


def test_level_points_stars_and_facts_of_many_users(
    snapshots: Snapshots, users: UserState, store: Store
) -> None:
    facts = Facts(store)
    users.initialise("a", STEPS.steps[0], 1)
    users.set_points("a", 600, STEPS)
    facts.put_star("a", Star(1, IOS), lit=True)
    facts.put_star("b", Star(1, ANDROID), lit=True)
    facts.put_game_fact("b", KEY, GameFact("x", 5))
    needs = Needs(
        level=True,
        stars=frozenset({Star(1, ANDROID), Star(1, IOS)}),
        games=frozenset({KEY}),
    )
    a, b, nobody, again = snapshots.take(["a", "b", "nobody", "a"], needs, {})
    assert a == Snapshot(1, 600, 2, frozenset({Star(1, IOS)}), {})
    assert b == Snapshot(None, 0, 0, frozenset({Star(1, ANDROID)}), {KEY: GameFact("x", 5)})
    assert nobody == Snapshot()
    assert again == a


def test_thousands_of_users_come_in_their_order(snapshots: Snapshots, users: UserState) -> None:
    for number in range(0, 1_200, 100):
        users.initialise(f"u{number}", STEPS.steps[0], 1)
        users.set_points(f"u{number}", number, STEPS)
    names = [f"u{number}" for number in range(1_200)]
    found = list(snapshots.take(names, Needs(level=True), {}))
    points = {name: user.points for name, user in zip(names, found, strict=True) if user.version}
    assert points == {f"u{number}": number for number in range(0, 1_200, 100)}


def test_a_version_that_memory_has_not_seen_is_read_from_the_store(
    users: UserState, store: Store
) -> None:
    frozen = Frozen(StoreReads(store))
    snapshots = Snapshots(frozen, StoreReads(store), BUCKETS)
    users.initialise("a", STEPS.steps[0], 1)
    (before,) = snapshots.take(["a"], Needs(level=True), {})
    upgraded = users.set_points("a", 600, STEPS)
    assert upgraded is not None
    version = upgraded.record.version
    assert list(snapshots.take(["a"], Needs(level=True), {})) == [before]
    (seen,) = snapshots.take(["a"], Needs(level=True), {"a": before.version})
    assert seen == before
    (seen,) = snapshots.take(["a"], Needs(level=True), {"a": version, "other": 9})
    assert seen == Snapshot(1, 600, version)
    assert frozen.asked == 1


def test_a_version_that_was_never_given_is_refused(users: UserState, snapshots: Snapshots) -> None:
    record = users.initialise("a", STEPS.steps[0], 1)
    for user in ("a", "nobody"):
        with pytest.raises(VersionNotReachedError) as raised:
            list(snapshots.take([user], Needs(level=True), {user: record.version + 1}))
        assert raised.value.user == user


def test_a_deleted_user_is_newer_than_its_versions(users: UserState, snapshots: Snapshots) -> None:
    record = users.initialise("a", STEPS.steps[0], 1)
    users.delete("a")
    (seen,) = snapshots.take(["a"], Needs(level=True), {"a": record.version})
    assert seen == Snapshot()


class Counting(StoreReads):
    """Notes how many values each question is about."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.counts: list[int] = []

    def many(
        self, strings: Sequence[str], hashes: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> Found:
        self.counts.append(len(strings) + len(hashes) * len(fields))
        return super().many(strings, hashes, fields)


@pytest.mark.parametrize(("gids", "questions"), [(0, 3), (4, 12), (300, 1_200)])
def test_no_question_is_so_long_that_others_wait_for_it(
    store: Store, gids: int, questions: int
) -> None:
    counting = Counting(store)
    needs = Needs(level=True, stars=frozenset(Star(gid, IOS) for gid in range(gids)))
    names = [f"u{number}" for number in range(1_200)]
    found = list(Snapshots(counting, StoreReads(store), BUCKETS).take(names, needs, {}))
    assert found == [Snapshot()] * 1_200
    assert max(counting.counts) <= 500
    assert len(counting.counts) == questions


def test_a_batch_ends_at_its_deadline(snapshots: Snapshots) -> None:
    with deadline.within(0), pytest.raises(deadline.DeadlinePassedError):
        list(snapshots.take(["a", "b"], Needs(level=True), {}))


@contextmanager
def running_checks(store: str, log: Path, **settings: str) -> Iterator[grpc.Channel]:
    port, page = free_ports(2)
    own = {"REDIS_URL": store, "UPBOT_CHECKS_PORT": str(port), **settings}
    environment = {**os.environ, **own, "UPBOT_CHECKS_METRICS_PORT": str(page)}
    command = [sys.executable, "-m", "services.upbot_checks"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            until(lambda: "store found" in log.read_text(), "upbot_checks")
            yield channel
    finally:
        process.terminate()
        process.wait(20)


Stream = Iterator[pb.EligibilityStreamCheckRequest]


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The stream of one service on one store: it is the same call on each kind."""
    directory = tmp_path_factory.mktemp("checks")
    with (
        server(SERVERS["valkey"], directory) as store,
        running_checks(store.address, directory / "log", UPBOT_CHECKS_STREAMS="2") as channel,
    ):
        token = prepare(store.address).token
        stub = EligibilityStub(channel)

        def check(requests: Stream, token: str = token, seconds: float = 20) -> Any:
            metadata = (("authorization", token),)
            return stub.StreamCheck(requests, timeout=seconds, metadata=metadata)

        yield check


def level_at_least(level: int) -> pb.Condition:
    return pb.Condition(level_at_least=level)


def test_a_stream_answers_each_message_in_its_turn(checks: Any) -> None:
    asked: list[int] = []

    def requests() -> Stream:
        asked.append(1)
        yield pb.EligibilityStreamCheckRequest(openids=["5", "42"], condition=level_at_least(3))
        asked.append(2)
        yield pb.EligibilityStreamCheckRequest(openids=["42", "5"], detail=True)
        yield pb.EligibilityStreamCheckRequest(openids=["42"], condition=level_at_least(0))

    replies = [reply.data for reply in checks(requests())]
    assert [list(data.openids) for data in replies] == [["5"], ["5"], ["42"]]
    assert [result.ok for result in replies[1].results] == [False, True]
    assert len(replies) == 3


def test_a_stream_of_nothing_is_answered_with_nothing(checks: Any) -> None:
    assert list(checks(iter(()))) == []


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (pb.EligibilityStreamCheckRequest(), "openids"),
        (pb.EligibilityStreamCheckRequest(openids=["a"] * 10_001), "openids"),
        (
            pb.EligibilityStreamCheckRequest(openids=["a"], condition=pb.Condition()),
            "condition",
        ),
    ],
)
def test_a_wrong_message_ends_the_stream_after_the_answers_before_it(
    checks: Any, second: pb.EligibilityStreamCheckRequest, why: str
) -> None:
    first = pb.EligibilityStreamCheckRequest(openids=["5"], condition=level_at_least(3))
    replies = checks(iter((first, second)))
    assert list(next(replies).data.openids) == ["5"]
    with pytest.raises(grpc.RpcError) as raised:
        next(replies)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert why in str(raised.value.details())


def test_a_stream_without_a_condition_is_refused(checks: Any) -> None:
    with pytest.raises(grpc.RpcError, match="is required in the first message"):
        list(checks(iter((pb.EligibilityStreamCheckRequest(openids=["5"]),))))


def test_a_stream_without_a_good_token_is_refused(checks: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        list(checks(iter(()), token="wrong"))
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_more_streams_than_may_be_are_refused_and_one_that_ends_makes_room(checks: Any) -> None:
    first = pb.EligibilityStreamCheckRequest(openids=["5"], condition=level_at_least(3))

    def endless() -> Stream:
        while True:
            yield first

    held = [checks(endless()), checks(endless())]
    for replies in held:
        next(replies)
    with pytest.raises(grpc.RpcError) as raised:
        next(checks(iter((first,))))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    for replies in held:
        replies.cancel()
    until(lambda: _is_served(checks, first), "there is room again")


def _is_served(checks: Any, first: pb.EligibilityStreamCheckRequest) -> bool:
    try:
        return bool(list(checks(iter((first,)))))
    except grpc.RpcError:
        return False


def test_a_stream_ends_at_its_deadline(checks: Any) -> None:
    first = pb.EligibilityStreamCheckRequest(openids=["5"], condition=level_at_least(3))

    ended = threading.Event()

    def silent() -> Stream:
        yield first
        ended.wait()

    # Long enough for the first answer on a machine that is stalled for a second.
    replies = checks(silent(), seconds=4)
    next(replies)
    with pytest.raises(grpc.RpcError) as raised:
        next(replies)
    ended.set()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
