"""The stack that the fault-injection tests (drills) break, and the file with their figures."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.compose.project import (
    ROOT,
    SERVICES,
    Project,
    docker,
    inspected,
    instances_of,
    running_project,
)
from tests.compose.running import as_stack
from tests.drills.load import Load, milliseconds
from tests.stack.waiting import until
from tests.support.running import RunningStack

RESULTS = ROOT / ".run" / "drill" / "results.json"

BAD = {"UNAVAILABLE", "INTERNAL", 14, 13, "14", "13"}

_outcome = pytest.StashKey[pytest.CallInfo[None]]()
_results = pytest.StashKey[list[dict[str, Any]]]()


class Drill:
    """The figures of a drill. They are written whether it passes or fails."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.figures: dict[str, Any] = {}

    def shows(self, **figures: Any) -> None:
        self.figures |= figures


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if call.when == "call":
        item.stash[_outcome] = call
    return report


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_results] = []


@pytest.fixture
def drill(request: pytest.FixtureRequest) -> Iterator[Drill]:
    """Its name is the first line of the test's docstring."""
    running = Drill((request.function.__doc__ or request.node.name).splitlines()[0])
    if arguments := getattr(request.node, "callspec", None):
        running.name += f" ({arguments.id})"
    yield running
    call = request.node.stash.get(_outcome, None)
    is_good = call is not None and call.excinfo is None
    results = request.config.stash[_results]
    results.append({"drill": running.name, "ok": is_good, "figures": running.figures})
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for result in config.stash.get(_results, []):
        terminalreporter.write_line(f"{'ok  ' if result['ok'] else 'FAIL'} {result['drill']}")
        for name, figure in result["figures"].items():
            terminalreporter.write_line(f"       {name}: {figure}")


@pytest.fixture(scope="session")
def duo() -> Iterator[Project]:
    """The stack with two instances of each service."""
    two_each = {instances_of(service): "2" for service in SERVICES}
    with running_project({"DEMOTION_SCHEDULE": "", **two_each}) as project:
        yield project


@pytest.fixture(scope="session")
def stack(duo: Project) -> Iterator[RunningStack]:
    """The stack with two instances of each service, with demo data and tokens."""
    running = as_stack(duo)
    yield running
    running.store.close()


@pytest.fixture(autouse=True)
def _all_instances_are_ready(duo: Project) -> None:
    """Each drill begins with a complete stack."""
    duo.wait_until_ready()


@pytest.fixture(scope="session")
def p99_alone(duo: Project, stack: RunningStack) -> float:
    """The 99th percentile of the load in milliseconds while nothing is wrong."""
    duo.wait_until_ready()
    with Load(stack.gateway, stack.token) as load:
        until(lambda: len(load.outcomes) > 500, "the load runs", seconds=60)
    return milliseconds(load.outcomes, 0.99)


def passes_once(measure: Callable[[], None], attempts: int = 3) -> None:
    """Repeats a measurement that a busy machine may spoil. A fault spoils every attempt."""
    for _ in range(attempts - 1):
        with suppress(AssertionError):
            measure()
            return
    measure()


def whys(duo: Project) -> dict[str, int]:
    """The reasons in the gateway's log for the calls that it could not serve."""
    logged = docker("logs", "--since", "60s", duo.container("gateway"))
    lines = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
    failed = [line for line in lines if line["code"] >= 500 or line["grpc"] in BAD]
    return dict(Counter(f"{line['route']}: {line['flags']} {line['details']}" for line in failed))


def edge_address(duo: Project) -> str:
    """The address of the gateway itself; the published port leads through a proxy of the engine."""
    networks = inspected(duo.container("gateway"))["NetworkSettings"]["Networks"]
    return str(networks[f"{duo.name}_edge"]["IPAddress"])
