"""Scripts store numbers up to the width of their field; a larger number changes nothing."""

import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pytest
import redis

from services.rules.thresholds import LevelThreshold, LevelThresholds
from services.store.scripts import Script
from services.store.store import Store
from services.user_state.bulk import BulkUsers
from services.user_state.feed import Feed
from services.user_state.history import changes_of
from services.user_state.record import MAX_VERSION, Record, Source
from services.user_state.rows import Row
from services.user_state.state import Bill, UserState
from tests.support.levels import BUCKETS, NOW, THRESHOLDS, found, started

BUCKET = BUCKETS.of("u")
I2, I4 = 2**16 - 1, 2**32 - 1
# The bytes of a history entry besides the name of the app.
ENTRY = 15


class State(NamedTuple):
    store: Store
    users: UserState
    bulk: BulkUsers

    def record(self) -> Record:
        return found(self.users, "u")


Write = Callable[[State, int], object]
Read = Callable[[State], int]


@pytest.fixture
def state(store: Store) -> State:
    return State(
        store,
        UserState(store, BUCKETS, now=lambda: NOW),
        BulkUsers(store, BUCKETS, now=lambda: NOW),
    )


def one_step(level: int = 0, rule: int = 1) -> LevelThresholds:
    return LevelThresholds(1, [LevelThreshold(level, 0, rule)])


def next_version(state: State, version: int) -> None:
    state.store.set(BUCKET.versions, version - 1)
    state.users.set_points("u", 9, THRESHOLDS)


def set_level(state: State, level: int = 0, until: int = 0, partner: str = "p") -> None:
    state.users.set_manually("u", level, partner, until)


def named_app(state: State, length: int) -> None:
    numbers = length - ENTRY
    state.users.add_points("u", 1, Bill("b", "a" * numbers), THRESHOLDS)


def entry_length(state: State) -> int:
    return int(struct.unpack_from(">H", state.record().history)[0])


CASES: Mapping[str, tuple[Write, int, Read]] = {
    "level": (set_level, I4, lambda state: state.record().level),
    "points": (
        lambda state, number: state.users.set_points("u", number, one_step()),
        I4,
        lambda state: state.record().points,
    ),
    "points in the feed": (
        lambda state, number: state.users.set_points("u", number, one_step()),
        I4,
        lambda state: getattr(
            Feed(state.store, BUCKETS).changes(BUCKET, 1)[-1].change.after, "points", -1
        ),
    ),
    "end of a protection": (
        lambda state, number: set_level(state, until=number),
        I4,
        lambda state: state.record().protected_until,
    ),
    "length of a partner": (
        # The history entry contains the partner as well.
        lambda state, number: set_level(state, partner="p" * number),
        I2 - ENTRY,
        lambda state: len(state.record().partner),
    ),
    "length of an entry of the history": (named_app, I2, entry_length),
    "version": (next_version, MAX_VERSION, lambda state: state.record().version),
    "imported points": (
        lambda state, number: state.bulk.write([Row("u", number)], THRESHOLDS),
        I4,
        lambda state: state.record().points,
    ),
    "imported level": (
        lambda state, number: state.bulk.write([Row("u", 5, number)], THRESHOLDS),
        I4,
        lambda state: state.record().level,
    ),
    "imported end of a protection": (
        lambda state, number: state.bulk.write([Row("u", 5, 0, Source.MANUAL, number)], THRESHOLDS),
        I4,
        lambda state: state.record().protected_until,
    ),
    "level of a rule": (
        lambda state, number: state.users.set_points("u", 5, one_step(level=number)),
        I4,
        lambda state: state.record().level,
    ),
    "rule": (
        lambda state, number: state.users.set_points("u", 5, one_step(level=1, rule=number)),
        I4,
        lambda state: changes_of(state.record())[0].rule,
    ),
    "answer of AddPoints": (
        lambda state, number: state.users.add_points("u", number, Bill("b", "app"), THRESHOLDS),
        2**31 - 1,
        lambda state: getattr(
            state.users.add_points("u", 1, Bill("b", "app"), THRESHOLDS).added, "points", -1
        ),
    ),
}


def everything(store: Store) -> Mapping[bytes, object]:
    dump = Script(store, "return redis.call('DUMP', KEYS[1])", writes=False)
    return {key: dump([key.decode()]) for key in store.scan_iter()}


@pytest.mark.parametrize("name", CASES)
def test_a_number_is_stored_up_to_its_width_and_refused_above_it(state: State, name: str) -> None:
    write, most, read = CASES[name]
    started(state.users, "u")
    before = everything(state.store)
    try:
        write(state, most + 1)
    except (redis.ResponseError, struct.error):
        assert name != "answer of AddPoints"
    else:
        # The answer is that the total is out of range.
        assert name == "answer of AddPoints"
    if name != "version":
        assert everything(state.store) == before
    write(state, most)
    assert read(state) == most
