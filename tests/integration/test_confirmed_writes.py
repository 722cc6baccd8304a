"""A write is visible to every read that begins after the write has returned."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from services.rules.thresholds import LevelThreshold, LevelThresholds
from services.store.client import connect, connect_reads
from services.store.keys import Bucket, Buckets
from services.store.reads import Reads
from services.store.store import Store
from services.user_facts.fact import NO_FACT, GameFact, GameKey, Star
from services.user_facts.fact_store import FactStore
from services.user_state.bulk import BulkUsers
from services.user_state.indexes import Span
from services.user_state.rows import Row
from services.user_state.state import Bill, UserState
from tests.support.other_readers import OtherReaders, other_readers
from tests.support.store_server import SERVERS, ServerProcess, server, store_settings

BUCKETS = Buckets(1)
ALL = Bucket(0)
LOWEST = LevelThreshold(1, 0, 1)
THRESHOLDS = LevelThresholds(1, [LOWEST, LevelThreshold(2, 100, 2)])
STAR = Star(7, 2)
GAME = GameKey("g", "a", "p", "0", "", 1)


@pytest.fixture(params=SERVERS)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    with server(SERVERS[request.param], tmp_path) as process:
        yield process


class Both(NamedTuple):
    """A writer's store, and the reads of another service."""

    store: Store
    reads: Reads
    others: OtherReaders


@pytest.fixture
def both(running: ServerProcess) -> Iterator[Both]:
    settings = store_settings(running.port)
    store = connect(settings)
    reads = connect_reads(settings, connect(settings))
    reads.get("first")
    with other_readers(running.port) as others:
        yield Both(store, reads, others)


def test_every_transition_of_a_user_is_immediately_visible(both: Both) -> None:
    key = ALL.record("u")
    users, bulk = UserState(both.store, BUCKETS), BulkUsers(both.store, BUCKETS)
    seen = UserState(both.store, BUCKETS, reads=both.reads)
    packed: list[bytes] = []
    changes: dict[str, Callable[[], object]] = {
        "initialise": lambda: users.initialise("u", LOWEST, 1),
        "set_points": lambda: users.set_points("u", 50, THRESHOLDS),
        "add_points": lambda: users.add_points("u", 50, Bill("b"), THRESHOLDS),
        "set_manually": lambda: users.set_manually("u", 2, "partner", protected_until=0),
        "demote": lambda: bulk.demote([ALL], LevelThresholds(2, [LOWEST]), [], "run"),
        "import": lambda: bulk.write([Row("u", 70)], THRESHOLDS),
        "delete": lambda: users.delete("u"),
        "restore": lambda: bulk.restore([("u", packed[0])], version=99),
    }
    for name, change in changes.items():
        before = seen.get("u")
        packed = [each for each in [both.store.get(key)] if each] or packed
        both.others.read(key)
        change()
        assert seen.get("u") == users.get("u") != before, name


def test_every_change_of_a_fact_is_immediately_visible(both: Both) -> None:
    key = ALL.facts("u")
    facts, seen = FactStore(both.store, BUCKETS), FactStore(both.store, BUCKETS, both.reads)
    fact = GameFact(code="x")
    changes: dict[str, Callable[[], object]] = {
        "lit": lambda: facts.put_star("u", STAR, lit=True),
        "not lit": lambda: facts.put_star("u", STAR, lit=False),
        "game fact": lambda: facts.put_game_fact("u", GAME, fact),
        "deleted": lambda: facts.delete("u"),
    }
    expected = {
        "lit": (True, NO_FACT),
        "not lit": (False, NO_FACT),
        "game fact": (False, fact),
        "deleted": (False, NO_FACT),
    }
    seen.is_any_lit("u", [STAR.gid], [STAR.device])
    seen.game_fact("u", GAME)
    for name, change in changes.items():
        both.others.read(key)
        change()
        found = seen.is_any_lit("u", [STAR.gid], [STAR.device]), seen.game_fact("u", GAME)
        assert found == expected[name], name


def test_a_write_whose_confirmation_fails_is_an_error(both: Both, running: ServerProcess) -> None:
    users = UserState(both.store, BUCKETS)
    with redis.Redis(port=running.port) as client:
        client.execute_command("ACL", "SETUSER", "default", "-ping")
    with pytest.raises(redis.exceptions.NoPermissionError):
        users.initialise("u", LOWEST, 1)
    # The write was executed, so a repeat finds the user.
    assert users.get("u") is not None


@pytest.mark.parametrize(("cache_values", "pings"), [(1_000, 1), (0, 0)])
def test_a_write_needs_another_round_trip_only_if_reads_are_remembered(
    running: ServerProcess, cache_values: int, pings: int
) -> None:
    settings = store_settings(running.port).model_copy(update={"cache_values": cache_values})
    store = connect(settings)
    bulk = BulkUsers(store, BUCKETS)
    bulk.write([Row(f"u{number}", 70) for number in range(200)], THRESHOLDS)
    bulk.indexes.pages([(ALL, [Span(False, 1, 0, 100)], "")], 10)
    with redis.Redis(port=running.port) as client:
        found = client.info("commandstats")
    assert found.get("cmdstat_ping", {"calls": 0})["calls"] == pings
