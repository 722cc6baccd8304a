"""The running suite, started once per session (with pytest-xdist: once per worker)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest

from tests.compose.running import running_compose
from tests.support.running import RunningStack, running_stack
from tests.support.store_server import SERVERS, server

# An example may take long on a busy machine.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--compose", action="store_true", help="run the suite in containers (needs an engine)"
    )
    parser.addoption(
        "--sample",
        action="store_true",
        help="of the contract only one case for each call and each kind of failure",
    )


@contextmanager
def _running(
    request: pytest.FixtureRequest, directory: Path, **settings: str
) -> Iterator[RunningStack]:
    settings["GATEWAY_TOKEN_RATE_LIMIT"] = "1000"
    if request.config.getoption("--compose"):
        with running_compose(**settings) as running:
            yield running
    else:
        # A store without files: `make run` has one that waits for the disk with every write.
        store = directory / "store"
        store.mkdir()
        with (
            server(SERVERS["valkey"], store) as own,
            running_stack(directory, REDIS_URL=own.address, **settings) as running,
        ):
            yield running
            running.store.close()


@pytest.fixture(scope="session")
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    """The suite with its default settings: every call needs a token."""
    with _running(request, tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def open_stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    """The suite with both older families open."""
    directory = tmp_path_factory.mktemp("open")
    with _running(request, directory, OPEN_FAMILIES="member,shop") as running:
        yield running
