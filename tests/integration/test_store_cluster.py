"""A cluster with one primary dead or silent: only the slots of that primary are affected."""

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from services.store.client import connect, is_unavailable
from services.store.keys import Buckets
from services.store.store import Store
from services.user_state.bulk import BulkUsers
from services.user_state.state import UserState
from tests.stack.waiting import free_ports, until
from tests.support.cluster import PRIMARIES, Cluster, running_cluster
from tests.support.levels import THRESHOLDS, started
from tests.support.store_server import store_settings

TIMEOUT_SECONDS = 0.4


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    shared.wait_until_whole()
    return shared


@pytest.fixture
def store(cluster: Cluster) -> Iterator[Store]:
    settings = store_settings(cluster.ports[0], TIMEOUT_SECONDS, scheme="redis+cluster")
    client = connect(settings)
    yield client
    client.close()


def users_of(cluster: Cluster) -> list[str]:
    """A user on each node."""
    candidates = [f"user-{number}" for number in range(200)]
    return [
        next(user for user in candidates if cluster.owner(Buckets().of(user).versions) == node)
        for node in range(PRIMARIES)
    ]


def fails(call: Callable[[], object]) -> float:
    """The seconds until a call fails because the store is unavailable."""
    begun = time.monotonic()
    with pytest.raises(redis.RedisError) as raised:
        call()
    assert is_unavailable(raised.value), raised.value
    return time.monotonic() - begun


def test_a_cluster_client_connects_on_first_use_and_again_after_a_failure(cluster: Cluster) -> None:
    settings = store_settings(free_ports(1)[0], TIMEOUT_SECONDS, scheme="redis+cluster")
    store = connect(settings)
    users = UserState(store, Buckets())
    assert fails(store.ping) < 5
    assert fails(lambda: users.get("u")) < 5
    assert cluster.ports


def test_a_dead_primary_fails_only_its_own_slots_until_it_is_back(
    cluster: Cluster, store: Store
) -> None:
    users, names = UserState(store, Buckets()), users_of(cluster)
    for user in names:
        started(users, user, 600)
    # The first one is the node whose address the client was given.
    for victim in (0, 2):
        cluster.kill(victim)
        assert fails(lambda: users.get(names[victim])) < 2  # noqa: B023
        assert all(_answers(users, user) for user in names if user != names[victim])
        assert store.ping()
        cluster.restart(victim)
        until(lambda: _answers(users, names[victim]), "the slots of the victim")  # noqa: B023
        # It has lost the scripts, so the client sends them again.
        assert users.set_points(names[victim], 700 + victim, THRESHOLDS) is not None


def _answers(users: UserState, user: str) -> bool:
    try:
        return users.get(user) is not None
    except redis.RedisError:
        return False


def test_a_silent_primary_delays_no_caller_beyond_the_timeout(
    cluster: Cluster, store: Store
) -> None:
    users, names = UserState(store, Buckets()), users_of(cluster)
    for user in names:
        started(users, user, 600)
    cluster.signal(1, signal.SIGSTOP)
    try:
        # The call itself, and a refresh of the slots, which may ask the silent node again.
        assert fails(lambda: users.get(names[1])) < 4 * TIMEOUT_SECONDS + 2
        for node in (0, 2):
            begun = time.monotonic()
            assert users.get(names[node]) is not None
            assert time.monotonic() - begun < 2
    finally:
        cluster.signal(1, signal.SIGCONT)
    cluster.wait_until_whole()
    until(lambda: _answers(users, names[1]), "the silent primary")


def test_slots_that_moved_are_found(cluster: Cluster, store: Store) -> None:
    users = UserState(store, Buckets())
    started(users, "mover", 600)
    key = Buckets().of("mover").versions
    home, other = cluster.owner(key), (cluster.owner(key) + 1) % PRIMARIES
    move_slot(cluster, key, home, other)
    try:
        record = users.get("mover")
        assert record is not None
        upgrade = users.set_points("mover", 1_300, THRESHOLDS)
        assert upgrade is not None
        assert upgrade.rose
        assert len(list(BulkUsers(store, Buckets()).users([Buckets().of("mover")], [0, 1, 3]))) == 1
    finally:
        move_slot(cluster, key, other, home)
    assert users.get("mover") is not None


def move_slot(cluster: Cluster, key: str, source: int, target: int) -> None:
    """Moves a slot as an operator's tool does: announces it, moves the keys, informs all nodes."""
    clients: list[Any] = [cluster.client(node) for node in range(PRIMARIES)]
    slot = clients[0].cluster("KEYSLOT", key)
    ids = [_text(client.cluster("MYID")) for client in clients]
    clients[target].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
    clients[source].execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
    while names := clients[source].execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
        port = cluster.ports[target]
        clients[source].execute_command("MIGRATE", "127.0.0.1", port, "", 0, 5_000, "KEYS", *names)
    for node in (target, source, *set(range(PRIMARIES)) - {target, source}):
        clients[node].execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
