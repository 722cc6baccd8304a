"""Calls that are never finished, at the gateway and at each service: others are still served."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from threading import Event

import httpx
import pytest

from bench.half_open import half_open, unfinished
from tests.compose.project import Project
from tests.compose.running import PORTS
from tests.drills.conftest import Drill, edge_address, passes_once, whys
from tests.drills.load import Load, milliseconds
from tests.stack.waiting import until
from tests.support.bystanders import COMMON, STREAMED, WHOLE
from tests.support.running import RunningStack

CONNECTIONS, CALLS_EACH = 100, 100
OUTCOMES = 800

EVERY_PATH = {
    "gateway": [*chain(*WHOLE.values(), *STREAMED.values())],
    **{service: [*WHOLE[service], *STREAMED.get(service, ()), *COMMON] for service in WHOLE},
}


@contextmanager
def asking(url: str) -> Iterator[dict[str, int]]:
    """Requests a page ten times a second while the block lasts; counts the answers by status."""
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


@pytest.mark.parametrize("at", EVERY_PATH)
def test_half_open_calls(
    duo: Project, stack: RunningStack, p99_alone: float, drill: Drill, at: str
) -> None:
    """100 connections with 100 calls each that are never finished, of every kind, under load"""
    address = (edge_address(duo), 8080) if at == "gateway" else (duo.address(at), PORTS[at])
    calls = unfinished(EVERY_PATH[at], ["", stack.token])

    def measure() -> None:
        with (
            asking(f"{stack.gateway}/healthz") as health,
            Load(stack.gateway, stack.token) as load,
            half_open(address, calls, CONNECTIONS, CALLS_EACH) as held,
        ):
            begun = len(load.outcomes)
            until(lambda: len(load.outcomes) > begun + OUTCOMES, "the load continues", seconds=120)
            answers = dict(held.answers)
        p99 = milliseconds(load.outcomes, 0.99)
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
        # Beginning 10,000 calls takes one of two cores for seconds. A caller that had to wait for
        # a thread would wait for 10 s and fail.
        assert p99 < 5 * p99_alone + 2_000

    passes_once(measure)
