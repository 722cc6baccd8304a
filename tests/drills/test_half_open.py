"""Calls that nobody finishes, at the gateway and at each service: the others must not notice."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from threading import Event

import httpx
import pytest

from tests.compose.project import Project
from tests.compose.running import PORTS
from tests.drills.conftest import Drill, edge_address, whys
from tests.drills.load import Load, milliseconds
from tests.stack.waiting import until
from tests.support.bystanders import COMMON, STREAMED, WHOLE
from tests.support.half_open import half_open, unfinished
from tests.support.running import RunningStack

CONNECTIONS, CALLS_EACH = 100, 100

CASES = [
    pytest.param("gateway", [*chain(*WHOLE.values())], id="gateway, one message"),
    pytest.param("gateway", [*chain(*STREAMED.values())], id="gateway, many messages"),
    *(pytest.param(at, paths, id=f"{at}, one message") for at, paths in WHOLE.items()),
    *(pytest.param(at, paths, id=f"{at}, many messages") for at, paths in STREAMED.items()),
    *(pytest.param(at, COMMON, id=f"{at}, health and unknown") for at in WHOLE),
]


@contextmanager
def asking(url: str) -> Iterator[dict[str, int]]:
    """Asks for a page again and again while the block lasts; counts the answers by status."""
    over, found = Event(), dict[str, int]()

    def ask() -> None:
        with httpx.Client(timeout=5) as client:
            while not over.wait(0.1):
                try:
                    status = str(client.get(url).status_code)
                except httpx.HTTPError as error:
                    status = type(error).__name__
                found[status] = found.get(status, 0) + 1

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        try:
            yield found
        finally:
            over.set()
            asked.result()


@pytest.mark.parametrize(("at", "paths"), CASES)
def test_half_open_calls(
    duo: Project, stack: RunningStack, drill: Drill, at: str, paths: Sequence[str]
) -> None:
    """100 connections x 100 calls that are never finished, beside 100 requests/s"""
    is_gateway = at == "gateway"
    address = (edge_address(duo), 8080) if is_gateway else (duo.address(at), PORTS[at])
    calls = unfinished(paths, ["", stack.token])
    with Load(stack.gateway, stack.token, rate=100) as alone:
        until(lambda: len(alone.outcomes) > 500, "the load runs", seconds=60)
    with (
        asking(f"{stack.gateway}/healthz") as health,
        Load(stack.gateway, stack.token, rate=100) as load,
        half_open(address, calls, CONNECTIONS, CALLS_EACH) as held,
    ):
        begun = len(load.outcomes)
        until(lambda: len(load.outcomes) > begun + 1_000, "the load goes on", seconds=120)
        answers = dict(held.answers)
    p99, p99_alone = (milliseconds(each.outcomes, 0.99) for each in (load, alone))
    drill.shows(
        half_open=held.begun,
        answered=answers,
        **load.figures(),
        why=whys(duo),
        p99_ms_without_them=p99_alone,
        healthz=health,
    )
    assert held.begun >= CONNECTIONS
    assert load.failures == []
    assert set(health) == {"200"}
    # The client that begins 10,000 calls takes one of two cores for seconds itself. Who waited for
    # a thread would wait for 10 s, and fail.
    assert p99 < 5 * p99_alone + 2_000
