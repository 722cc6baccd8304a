"""Real stores: the embedded Valkey, Debian's Redis where it is installed, and a cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.commands.demo import prepare
from services.store.client import connect
from services.store.settings import StoreSettings
from services.store.store import Store
from tests.support.cluster import running_cluster
from tests.support.service import Service, running_service
from tests.support.store_server import SERVERS, ServerProcess, server, store_settings


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSettings]:
    with server(SERVERS["valkey"], tmp_path_factory.mktemp("valkey")) as running:
        yield store_settings(running.port)


@pytest.fixture(scope="session")
def debian_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSettings]:
    with server(SERVERS["redis"], tmp_path_factory.mktemp("redis")) as running:
        yield store_settings(running.port)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSettings]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield store_settings(running.ports[0], scheme="redis+cluster")


KINDS = ["valkey", *(["debian_redis"] if "redis" in SERVERS else []), "cluster"]


@pytest.fixture(params=KINDS)
def any_store(request: pytest.FixtureRequest) -> StoreSettings:
    """Each kind of store. All of them keep running, so the order of the tests does not matter."""
    settings: StoreSettings = request.getfixturevalue(request.param)
    return settings


@pytest.fixture
def store(any_store: StoreSettings) -> Iterator[Store]:
    """An empty store."""
    client = connect(any_store)
    for key in client.scan_iter():
        client.delete(key.decode())
    yield client
    client.close()


@pytest.fixture
def address(any_store: StoreSettings, store: Store) -> str:
    """The URL of the store, once it is empty."""
    store.ping()
    return any_store.url.get_secret_value()


@pytest.fixture
def member(address: str, tmp_path: Path) -> Iterator[Service]:
    demo = prepare(address)
    with running_service(address, tmp_path / "service.log") as service:
        service.token = demo.token
        service.wait_for("SERVING")
        yield service


@pytest.fixture
def store_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A store of the test's own, which it may stop, or give another password."""
    with server(SERVERS["valkey"], tmp_path) as running:
        yield running


@pytest.fixture
def service(store_server: ServerProcess, tmp_path: Path) -> Iterator[Service]:
    """A service on `store_server`, which has the demo data."""
    demo = prepare(store_server.address)
    with running_service(store_server.address, tmp_path / "service.log") as started:
        started.token = demo.token
        started.wait_for("SERVING")
        yield started
