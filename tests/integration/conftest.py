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
from tests.support.store_server import SERVERS, ServerProcess, empty, server, store_settings

# A test runs on every kind of store if it shows what a script or a command of the store does, as
# each kind executes these by itself. What is built on them runs on one node only. It runs on a
# cluster as well where it reads or writes several buckets together, which a cluster spreads over
# its nodes. The mark `stores` selects the kinds for a module or a test; stores() is every kind.
KINDS = [*SERVERS, "cluster"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "stores(*kinds): the only kinds of store for these tests")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "any_store" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("stores")
        kinds = mark.args if mark is not None else ()
        metafunc.parametrize("any_store", kinds or KINDS, indirect=True)


class Stores:
    """Stores and services that start when they are first used and run until the session ends."""

    def __init__(self, opened: ExitStack, folders: pytest.TempPathFactory) -> None:
        self._opened, self._folders = opened, folders
        self._stores: dict[tuple[str, str], StoreSettings] = {}
        self._clients: dict[str, Store] = {}
        self._services: dict[str, Service] = {}

    def settings(self, kind: str, purpose: str = "") -> StoreSettings:
        """A store with a running service is never used by tests that do not expect one."""
        if (kind, purpose) not in self._stores:
            self._stores[kind, purpose] = self._started(kind)
        return self._stores[kind, purpose]

    def emptied(self, settings: StoreSettings) -> Store:
        """A client of the store, once it is empty."""
        if settings.address not in self._clients:
            client = connect(settings)
            self._opened.callback(client.close)
            self._clients[settings.address] = client
        client = self._clients[settings.address]
        empty(client)
        return client

    def service(self, address: str, **settings: str) -> Service:
        """A running member_level at this store, which has the demo data."""
        demo = prepare(address)
        found = self._services.get(address)
        if found is None or found.process.poll() is not None:
            log = self._folders.mktemp("service") / "service.log"
            found = self._opened.enter_context(running_service(address, log, **settings))
            self._services[address] = found
        found.token = demo.token
        found.wait_for("SERVING")
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


@pytest.fixture
def any_store(request: pytest.FixtureRequest, stores: Stores) -> StoreSettings:
    """Each kind of store, unless a mark selects some."""
    services = {"member", "slow_member"}.intersection(request.fixturenames)
    return stores.settings(request.param, "".join(services))


@pytest.fixture
def store(any_store: StoreSettings, stores: Stores) -> Store:
    """An empty store."""
    return stores.emptied(any_store)


@pytest.fixture
def other_settings(stores: Stores) -> StoreSettings:
    return stores.settings("valkey", "other")


@pytest.fixture
def other(other_settings: StoreSettings, stores: Stores) -> Store:
    """A second store, which is empty."""
    return stores.emptied(other_settings)


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
    return stores.service(address)


@pytest.fixture
def slow_member(address: str, stores: Stores) -> Service:
    """Another one, which takes a second to demote 50 members."""
    # More long calls than the tests make at a time, so that none of them is refused.
    settings = {"MEMBER_LEVEL_DEMOTION_RATE": "50", "MEMBER_LEVEL_LONG_CALLS": "32"}
    return stores.service(address, **settings)


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
