"""The running suite, once for the whole session."""

from collections.abc import Iterator

import pytest

from tests.support.running import RunningStack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The suite as it comes: every call wants a token."""
    with running_stack(
        tmp_path_factory.mktemp("stack"), GATEWAY_TOKEN_RATE_LIMIT="1000"
    ) as running:
        yield running
        running.store.close()


@pytest.fixture(scope="session")
def open_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The suite with both older families open."""
    with running_stack(
        tmp_path_factory.mktemp("open"),
        OPEN_FAMILIES="member,shop",
        GATEWAY_TOKEN_RATE_LIMIT="1000",
    ) as running:
        yield running
        running.store.close()
