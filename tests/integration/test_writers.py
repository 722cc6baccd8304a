"""64 writers on a few users while the service or the store is killed lose no acknowledged write.

A writer repeats a write under its bill number until it is acknowledged, as a caller would.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import grpc

from levelgate.member.v1 import member_level_pb2 as pb
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from operations.commands.demo import prepare
from services.store.client import connect
from services.store.keys import Buckets
from services.store.store import Store
from services.user_state.feed import Feed
from services.user_state.history import Change, State, changes_of
from services.user_state.state import UserState
from tests.integration.test_state_model import assert_chain
from tests.stack.waiting import until
from tests.support.cluster import running_cluster
from tests.support.levels import index_of
from tests.support.service import Service
from tests.support.store_server import SERVERS, server, store_settings

WRITERS = 64
WRITES = 8
USERS = [f"busy-{number}" for number in range(6)]
AWAY = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
GIVE_UP_SECONDS = 120.0


class Acknowledged(NamedTuple):
    """One write that was answered."""

    user: str
    delta: int
    version: int


@dataclass
class Instance:
    """A service that is killed and started again at the same address."""

    store: str
    log: Path
    token: str

    def __post_init__(self) -> None:
        self.service = Service(self.store, self.log, MEMBER_LEVEL_FEED="65536")
        self.service.token = self.token

    def kill_and_start(self) -> None:
        self.service.process.kill()
        self.service.process.wait()
        self.service.start()

    def close(self) -> None:
        self.service.channel.close()
        self.service.process.kill()
        self.service.process.wait()


@contextmanager
def instance_of(store: str, log: Path) -> Iterator[Instance]:
    started = Instance(store, log, prepare(store).token)
    try:
        started.service.wait_for("SERVING")
        yield started
    finally:
        started.close()


def write(instance: Instance, writer: int) -> list[Acknowledged]:
    """The acknowledged writes of one writer, in their order."""
    chance = random.Random(writer)
    done = []
    address = f"127.0.0.1:{instance.service.port}"
    # Each writer has its own connection, which comes back soon after the service does.
    backoff = [("grpc.max_reconnect_backoff_ms", 200), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options=backoff) as channel:
        stub = MemberLevelStub(channel)
        for number in range(WRITES):
            request = pb.AddPointsRequest(
                user_id=chance.choice(USERS),
                delta=chance.randint(1, 40),
                bill_no=f"{writer}-{number}",
            )
            version = acknowledged(stub, request, instance.token)
            done.append(Acknowledged(request.user_id, request.delta, version))
    return done


def acknowledged(stub: MemberLevelStub, request: pb.AddPointsRequest, token: str) -> int:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while True:
        try:
            reply = stub.AddPoints(request, timeout=5, metadata=(("authorization", token),))
        except grpc.RpcError as error:
            if error.code() not in AWAY:
                raise
            assert time.monotonic() < deadline, "never acknowledged"
            time.sleep(0.05)
        else:
            return reply.data.version


def write_while(instance: Instance, *disturbances: Callable[[], object]) -> list[Acknowledged]:
    """Lets all writers write, and disturbs them one way after the other."""
    with ThreadPoolExecutor(WRITERS) as threads:
        writers = [threads.submit(write, instance, number) for number in range(WRITERS)]
        for disturb in disturbances:
            disturb()
            instance.service.wait_for("SERVING")
        return [each for writer in writers for each in writer.result(GIVE_UP_SECONDS)]


def assert_nothing_is_lost(store: Store, done: list[Acknowledged]) -> None:
    users = UserState(store, Buckets())
    points: Counter[str] = Counter()
    for each in done:
        points[each.user] += each.delta
    for user in USERS:
        versions = [each.version for each in done if each.user == user]
        assert len(set(versions)) == len(versions), "two writes under one version"
        record = users.get(user)
        assert record is not None
        # Each bill number counted once, however often it was sent.
        assert record.points == points[user]
        assert record.version == max(versions)
        assert index_of(store, user) == {f"level:{record.level}": record.points}
        own = in_the_feed(store, user)
        assert_chain(own)
        assert own[-1].after == State(record.level, record.points, record.source)
        kept = changes_of(record)
        assert kept == list(reversed(own))[: len(kept)]
        assert set(versions) <= {change.version for change in own}


def in_the_feed(store: Store, user: str) -> list[Change]:
    changes = Feed(store, Buckets()).changes(Buckets().of(user), 0)
    versions = [each.change.version for each in changes]
    assert versions == sorted(set(versions))
    return [each.change for each in changes if each.user == user]


def initialised(instance: Instance) -> None:
    for user in USERS:
        request = pb.InitUserRequest(user_id=user)
        metadata = (("authorization", instance.token),)
        instance.service.members.InitUser(request, timeout=5, metadata=metadata)


def test_on_a_single_node_with_the_service_killed(tmp_path: Path) -> None:
    with (
        server(SERVERS["valkey"], tmp_path) as running,
        instance_of(running.address, tmp_path / "service.log") as instance,
    ):
        initialised(instance)
        done = write_while(instance, instance.kill_and_start)
        assert len(done) == WRITERS * WRITES
        assert_nothing_is_lost(connect(store_settings(running.port)), done)


def test_on_a_cluster_with_the_service_and_a_primary_killed(tmp_path: Path) -> None:
    with (
        running_cluster(tmp_path) as cluster,
        instance_of(cluster.address, tmp_path / "service.log") as instance,
    ):
        initialised(instance)

        def kill_a_primary() -> None:
            victim = cluster.owner(Buckets().of(USERS[0]).versions)
            cluster.kill(victim)
            cluster.restart(victim)

        done = write_while(instance, kill_a_primary, instance.kill_and_start)
        assert len(done) == WRITERS * WRITES
        settings = store_settings(cluster.ports[0], scheme="redis+cluster")
        store = connect(settings)
        until(store.ping, "the cluster answers")
        assert_nothing_is_lost(store, done)
