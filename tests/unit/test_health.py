"""What the watch says of a store that answers, by what became of the mark of its layout."""

from typing import Any, cast

import pytest
import redis

from services.runtime.errors import Failure
from services.runtime.health import StoreWatch
from services.store.store import Store


class Answering:
    def ping(self) -> bool:
        return True


def watch(claim: Any) -> StoreWatch:
    return StoreWatch(cast(Store, Answering()), [], 1, on_mismatch=lambda: None, claim=claim)


def test_a_store_that_cannot_be_marked_serves_nobody() -> None:
    def refused() -> None:
        raise redis.ReadOnlyError

    watching = watch(refused)
    watching._probe()
    with pytest.raises(Failure):
        watching.require_available()


def test_a_mark_whose_node_is_away_does_not_end_what_the_others_serve() -> None:
    answers = iter([None, redis.ConnectionError(), redis.ConnectionError()])

    def claim() -> None:
        if error := next(answers):
            raise error

    watching = watch(claim)
    for _ in range(3):
        watching._probe()
    watching.require_available()
