"""The store probe, for a store that answers but may refuse or lack the mark of its layout."""

from collections.abc import Callable
from typing import cast

import pytest
import redis

from services.runtime.errors import Failure
from services.runtime.health import Health, LayoutCheck, StoreAvailability, StoreProbe
from services.runtime.shutdown import Shutdown
from services.store.store import Store


class AnsweringStore:
    def ping(self) -> bool:
        return True


def probe_and_availability(claim: Callable[[], None]) -> tuple[StoreProbe, StoreAvailability]:
    availability = StoreAvailability(Health([]))
    check = LayoutCheck(claim, availability)
    store, shutdown = cast(Store, AnsweringStore()), cast(Shutdown, None)
    return StoreProbe(store, check, availability, shutdown, 1), availability


def test_a_store_that_cannot_be_marked_is_unavailable() -> None:
    def claim() -> None:
        raise redis.ReadOnlyError

    probe, availability = probe_and_availability(claim)
    probe.probe()
    with pytest.raises(Failure):
        availability.require()


def test_a_store_stays_available_while_the_node_that_holds_the_mark_is_down() -> None:
    answers = iter([None, redis.ConnectionError(), redis.ConnectionError()])

    def claim() -> None:
        if error := next(answers):
            raise error

    probe, availability = probe_and_availability(claim)
    for _ in range(3):
        probe.probe()
    availability.require()


def test_a_second_failure_in_a_row_makes_the_store_unavailable() -> None:
    availability = StoreAvailability(Health([]))
    availability.probe_succeeded()
    availability.probe_failed("it cannot be reached")
    availability.probe_succeeded()
    availability.probe_failed("it cannot be reached")
    availability.require()
    availability.probe_failed("it cannot be reached")
    with pytest.raises(Failure):
        availability.require()


def test_a_failed_call_counts_as_the_first_failure_and_asks_for_a_probe() -> None:
    availability = StoreAvailability(Health([]))
    availability.probe_succeeded()
    availability.call_failed()
    assert availability.suspected.is_set()
    availability.require()
    availability.probe_failed("it cannot be reached")
    with pytest.raises(Failure):
        availability.require()
