"""Snapshots of users, which conditions are evaluated on, on each kind of store."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.rules.thresholds import LevelThreshold, LevelThresholds
from services.store import deadline
from services.store.client import connect_reads
from services.store.keys import Buckets
from services.store.reads import Found, Reads, StoreReads, Values
from services.store.settings import StoreSettings
from services.store.store import Store
from services.upbot_checks.eligibility.condition import Needs, Snapshot
from services.upbot_checks.eligibility.snapshots import Snapshots, VersionNotReachedError
from services.user_facts.fact import ANDROID, IOS, GameFact, GameKey, Star
from services.user_facts.fact_store import FactStore
from services.user_state.state import UserState

KEY = GameKey("cfm", "1", "2", "0", "bbb", 1)
THRESHOLDS = LevelThresholds(1, [LevelThreshold(0, 0, 1), LevelThreshold(1, 500, 2)])
BUCKETS = Buckets()


class Frozen:
    """Reads that repeat their first answer and never see anything newer."""

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
    return UserState(store, BUCKETS)


@pytest.fixture
def snapshots(any_store: StoreSettings, store: Store) -> Snapshots:
    return Snapshots(connect_reads(any_store, store), StoreReads(store), BUCKETS)


def test_level_points_stars_and_facts_of_many_users(
    snapshots: Snapshots, users: UserState, store: Store
) -> None:
    facts = FactStore(store, BUCKETS)
    users.initialise("a", THRESHOLDS.levels[0], 1)
    users.set_points("a", 600, THRESHOLDS)
    facts.put_star("a", Star(1, IOS), lit=True)
    facts.put_star("b", Star(1, ANDROID), lit=True)
    facts.put_game_fact("b", KEY, GameFact("x", 5))
    needs = Needs(
        level=True,
        stars=frozenset({Star(1, ANDROID), Star(1, IOS)}),
        games=frozenset({KEY}),
    )
    a, b, nobody, again = snapshots.read(["a", "b", "nobody", "a"], needs, {})
    assert a == Snapshot(1, 600, 2, frozenset({Star(1, IOS)}), {})
    assert b == Snapshot(None, 0, 0, frozenset({Star(1, ANDROID)}), {KEY: GameFact("x", 5)})
    assert nobody == Snapshot()
    assert again == a


def test_thousands_of_users_come_in_the_order_of_the_request(
    snapshots: Snapshots, users: UserState
) -> None:
    for number in range(0, 1_200, 100):
        users.initialise(f"u{number}", THRESHOLDS.levels[0], 1)
        users.set_points(f"u{number}", number, THRESHOLDS)
    names = [f"u{number}" for number in range(1_200)]
    found = list(snapshots.read(names, Needs(level=True), {}))
    points = {name: user.points for name, user in zip(names, found, strict=True) if user.version}
    assert points == {f"u{number}": number for number in range(0, 1_200, 100)}


def test_a_version_that_memory_has_not_seen_is_read_from_the_store(
    users: UserState, store: Store
) -> None:
    frozen = Frozen(StoreReads(store))
    snapshots = Snapshots(frozen, StoreReads(store), BUCKETS)
    users.initialise("a", THRESHOLDS.levels[0], 1)
    (before,) = snapshots.read(["a"], Needs(level=True), {})
    upgraded = users.set_points("a", 600, THRESHOLDS)
    assert upgraded is not None
    version = upgraded.record.version
    assert list(snapshots.read(["a"], Needs(level=True), {})) == [before]
    (seen,) = snapshots.read(["a"], Needs(level=True), {"a": before.version})
    assert seen == before
    (seen,) = snapshots.read(["a"], Needs(level=True), {"a": version, "other": 9})
    assert seen == Snapshot(1, 600, version)
    assert frozen.asked == 1


def test_a_version_that_the_user_never_had_is_refused(
    users: UserState, snapshots: Snapshots
) -> None:
    record = users.initialise("a", THRESHOLDS.levels[0], 1)
    for user in ("a", "nobody"):
        with pytest.raises(VersionNotReachedError) as raised:
            list(snapshots.read([user], Needs(level=True), {user: record.version + 1}))
        assert raised.value.user == user


def test_a_deleted_user_is_newer_than_its_versions(users: UserState, snapshots: Snapshots) -> None:
    record = users.initialise("a", THRESHOLDS.levels[0], 1)
    users.delete("a")
    (seen,) = snapshots.read(["a"], Needs(level=True), {"a": record.version})
    assert seen == Snapshot()


class Counting(StoreReads):
    """Records how many values each round trip reads."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.counts: list[int] = []

    def many(
        self, strings: Sequence[str], hashes: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> Found:
        self.counts.append(len(strings) + len(hashes) * len(fields))
        return super().many(strings, hashes, fields)


@pytest.mark.parametrize(("gids", "round_trips"), [(0, 3), (4, 12), (300, 1_200)])
def test_no_round_trip_reads_so_much_that_others_wait(
    store: Store, gids: int, round_trips: int
) -> None:
    counting = Counting(store)
    needs = Needs(level=True, stars=frozenset(Star(gid, IOS) for gid in range(gids)))
    names = [f"u{number}" for number in range(1_200)]
    found = list(Snapshots(counting, StoreReads(store), BUCKETS).read(names, needs, {}))
    assert found == [Snapshot()] * 1_200
    assert max(counting.counts) <= 500
    assert len(counting.counts) == round_trips


def test_a_batch_ends_at_its_deadline(snapshots: Snapshots) -> None:
    with deadline.within(0), pytest.raises(deadline.DeadlinePassedError):
        list(snapshots.read(["a", "b"], Needs(level=True), {}))
