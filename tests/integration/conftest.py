"""Real stores: the embedded Valkey, Debian's Redis where it is installed, and a cluster."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from operations.commands.demo import prepare
from services.store.client import connect
from services.store.settings import StoreSettings
from services.store.store import Store
from services.user_state.bulk import BulkUsers
from services.user_state.state import UserState
from tests.support.cluster import running_cluster
from tests.support.levels import BUCKETS, NOW
from tests.support.service import Service, running_service
from tests.support.store_server import SERVERS, ServerProcess, server, store_settings

KINDS = [*SERVERS, "cluster"]


class Stores:
    """Stores and services that start when they are first used and run until the session ends."""

    def __init__(self, opened: ExitStack, folders: pytest.TempPathFactory) -> None:
        self._opened, self._folders = opened, folders
        self._stores: dict[tuple[str, bool], StoreSettings] = {}
        self._services: dict[str, Service] = {}

    def settings(self, kind: str, *, has_service: bool) -> StoreSettings:
        """A store with a running service is never used by tests that do not expect one."""
        if (kind, has_service) not in self._stores:
            self._stores[kind, has_service] = self._started(kind)
        return self._stores[kind, has_service]

    def service(self, address: str) -> Service:
        """A running member_level at this store."""
        found = self._services.get(address)
        if found is None or found.process.poll() is not None:
            log = self._folders.mktemp("service") / "service.log"
            found = self._opened.enter_context(running_service(address, log))
            self._services[address] = found
        return found

    def _started(self, kind: str) -> StoreSettings:
        directory = self._folders.mktemp(kind)
        if kind == "cluster":
            cluster = self._opened.enter_context(running_cluster(directory))
            return store_settings(cluster.ports[0], scheme="redis+cluster")
        running = self._opened.enter_context(server(SERVERS[kind], directory))
        return store_settings(running.port)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with ExitStack() as opened:
        yield Stores(opened, tmp_path_factory)


@pytest.fixture(params=KINDS)
def any_store(request: pytest.FixtureRequest, stores: Stores) -> StoreSettings:
    """Each kind of store."""
    return stores.settings(request.param, has_service="member" in request.fixturenames)


@pytest.fixture
def store(any_store: StoreSettings) -> Iterator[Store]:
    """An empty store."""
    client = connect(any_store)
    for key in client.scan_iter():
        client.delete(key.decode())
    yield client
    client.close()


@pytest.fixture
def users(store: Store) -> UserState:
    return UserState(store, BUCKETS, now=lambda: NOW)


@pytest.fixture
def bulk(store: Store) -> BulkUsers:
    return BulkUsers(store, BUCKETS, now=lambda: NOW)


@pytest.fixture
def address(any_store: StoreSettings, store: Store) -> str:
    """The URL of the store, once it is empty."""
    store.ping()
    return any_store.url.get_secret_value()


@pytest.fixture
def member(address: str, stores: Stores) -> Service:
    """A running member_level with the demo data, which several tests use one after the other."""
    demo = prepare(address)
    service = stores.service(address)
    service.token = demo.token
    service.wait_for("SERVING")
    return service


@pytest.fixture
def store_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A separate store, which the test may stop, or give another password."""
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
