"""Runs `python -m gateway` as a process, with a client for JSON."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx

from tests.stack.waiting import free_ports

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 20.0
# Changes of the configuration: a short value for every time limit of a call, and health checks
# that soon notice a change.
SHORT_SECONDS = 0.5
SHORT = {
    "stream_idle_timeout: 75s": f"stream_idle_timeout: {SHORT_SECONDS}s",
    "max_stream_duration: 10s": f"max_stream_duration: {SHORT_SECONDS}s",
    "request_timeout: 30s": f"request_timeout: {SHORT_SECONDS}s",
    "request_headers_timeout: 5s": f"request_headers_timeout: {SHORT_SECONDS}s",
    "common_http_protocol_options: {idle_timeout: 300s}": (
        f"common_http_protocol_options: {{idle_timeout: {SHORT_SECONDS}s}}"
    ),
    " interval: 1s": " interval: 0.2s",
}


@dataclass
class Gateway:
    """A running gateway."""

    process: "subprocess.Popen[bytes]"
    port: int
    admin_port: int
    directory: Path
    client: httpx.Client

    @property
    def access_log(self) -> str:
        return (self.directory / "access.log").read_text(encoding="utf-8")

    def log_lines(self, request_id: str) -> list[dict[str, object]]:
        """The lines of the access log with this request id."""
        lines = map(json.loads, self.access_log.splitlines())
        return [line for line in lines if line["request_id"] == request_id]

    @property
    def own_log(self) -> str:
        """The output of the gateway's process and of Envoy."""
        return (self.directory / "gateway.log").read_text(encoding="utf-8")

    def raw(self, request: bytes, *, seconds: float = 10.0) -> bytes:
        """Sends these bytes and returns the answer, or its part until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(request)
            answer = b""
            while not _is_complete(answer):
                received = connection.recv(65536)
                if not received:
                    break
                answer += received
            return answer

    def counter(self, name: str) -> int:
        """One of Envoy's own counters."""
        url = f"http://127.0.0.1:{self.admin_port}/stats?filter=^{name}$"
        return int(httpx.get(url).text.rpartition(":")[2])

    @property
    def heap_mib(self) -> float:
        """The memory that Envoy has allocated."""
        return self.counter("server.memory_allocated") / 2**20

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_SECONDS)


@contextmanager
def channel_to(gateway: Gateway) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        yield channel


def _is_complete(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    lengths = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(lengths) and len(body) >= int(lengths[0].partition(b":")[2])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


# Runs the gateway with texts of its configuration replaced, for example to shorten a limit, or with
# other pages.
_CHANGED = """
import sys
from pathlib import Path
import gateway.__main__ as program
import gateway.web_files as pages
pages.ROOT = Path({web!r}) if {web!r} else pages.ROOT
rendered = program.render
def render(settings):
    config = rendered(settings)
    for text, other in ({changes!r} or {{}}).items():
        assert text in config, text
        config = config.replace(text, other)
    return config
program.render = render
sys.exit(program.main())
"""


def environment(directory: Path, upstream: dict[str, int], **settings: str) -> dict[str, str]:
    """The environment of a gateway's process. `upstream` has the ports of the services."""
    services = {f"GATEWAY_{name.upper()}": f"127.0.0.1:{port}" for name, port in upstream.items()}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return {
        **clean,
        **services,
        "GATEWAY_RUN_DIR": str(directory),
        "GATEWAY_ACCESS_LOG": str(directory / "access.log"),
        "GATEWAY_TOKEN_RATE_LIMIT": "1000",
        # So that a gateway whose draining is not tested stops at once.
        "GATEWAY_LINGER_SECONDS": "0",
        **settings,
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gateway", *arguments]


def virtual_hosts(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The virtual hosts of a rendered configuration."""
    listener = config["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    hosts: list[dict[str, Any]] = manager["route_config"]["virtual_hosts"]
    return hosts


@contextmanager
def running_gateway(
    directory: Path,
    upstream: dict[str, int],
    changes: dict[str, str] | None = None,
    web: Path | None = None,
    /,
    **settings: str,
) -> Iterator[Gateway]:
    """`changes` replaces texts of the configuration; `web` has other pages than gateway/web/."""
    port, admin_port = free_ports(2)
    ports = {"GATEWAY_PORT": str(port), "GATEWAY_ADMIN_PORT": str(admin_port)}
    log = directory / "gateway.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", _CHANGED.format(changes=changes, web=str(web or ""))]
            if changes or web
            else command(),
            cwd=ROOT,
            env=environment(directory, upstream, **ports, **settings),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=15) as client:
        gateway = Gateway(process, port, admin_port, directory, client)
        try:
            wait_until(lambda: _is_healthy(gateway, log), "the gateway is healthy")
            yield gateway
        finally:
            if process.poll() is None:
                gateway.stop()


def _is_healthy(gateway: Gateway, log: Path) -> bool:
    assert gateway.process.poll() is None, log.read_text(encoding="utf-8")
    try:
        return gateway.client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False
