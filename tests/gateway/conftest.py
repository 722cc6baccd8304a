"""One Envoy and one upstream for the session. The upstream is reset between tests."""

from collections.abc import Iterator

import pytest

from tests.gateway.running import SHORT, Gateway, running_gateway
from tests.gateway.upstream import Upstream

ORIGIN = "https://shop.example"


@pytest.fixture(scope="session")
def _upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    upstream.start()
    yield upstream
    upstream.stop()


@pytest.fixture
def upstream(_upstream: Upstream) -> Iterator[Upstream]:
    _upstream.reset()
    yield _upstream
    _upstream.reset()


@pytest.fixture(scope="session")
def gateway(_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("gateway")
    with running_gateway(directory, _upstream.ports, GATEWAY_CORS_ORIGINS=ORIGIN) as running:
        yield running
        # If Lua fails, Envoy passes the request on unchanged, so no test may cause such a failure.
        assert running.counter("http.gateway.lua.levelgate.errors") == 0


@pytest.fixture(scope="session")
def impatient(_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose time limits are short."""
    directory = tmp_path_factory.mktemp("impatient")
    with running_gateway(directory, _upstream.ports, SHORT) as running:
        yield running
