"""Renders the configuration that Envoy reads from the settings and the list of services."""

import json
import math
from pathlib import Path
from string import Template

from gateway.local_replies import local_replies
from gateway.settings import CommonSettings
from gateway.web_files import lua_table, web_files
from services.runtime.error_lua import status_details_script
from services.suite import SUITE

HERE = Path(__file__).resolve().parent
# Envoy adds tokens to a bucket at most every 50 ms.
_FILLS_PER_SECOND = 20
_BURSTS_PER_SECOND = 4
# gRPC writes five bytes before a message: a flag and the length.
_MESSAGE_PREFIX = 5
_LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers"


def render(settings: CommonSettings) -> str:
    """Returns envoy.yaml with every name filled in. Lists and objects are JSON, which is YAML."""
    directory = settings.directory or str(HERE)
    pages = lua_table(web_files() if settings.web else [])
    return _fill(
        "envoy.yaml",
        ADDRESS=settings.address,
        PORT=settings.port,
        ADMIN_ADDRESS=settings.admin_address,
        ADMIN_PORT=settings.admin_port,
        RATE_LIMIT=_bucket(settings.rate_limit),
        TOKEN_RATE_LIMIT=_bucket(settings.token_rate_limit),
        ACCESS_LOGGER=_access_logger(settings.access_log),
        HEAP_BYTES=settings.heap_mib * 2**20,
        DIRECTORY=directory,
        GRPC_LUA=json.dumps(
            f'package.path = "{directory}/lua/?.lua" require("grpc_calls")\n'
            + status_details_script()
        ),
        PAGES_LUA=json.dumps(f'package.path = "{directory}/lua/?.lua" require("web")({pages})'),
        WEB_DIRECTORY=json.dumps(f"{web_directory(settings)}/"),
        CORS_ORIGINS=json.dumps(
            [{"exact": origin.strip()} for origin in settings.cors_origins.split(",") if origin]
        ),
        **local_replies(),
        GRPC_ROUTES=_grpc_routes(),
        PUBLIC_SERVICES=json.dumps([name for service in SUITE for name in service.public]),
        HEALTHY_PERCENTAGES=json.dumps({service.name: {"value": 1} for service in SUITE}),
        CLUSTERS=_clusters(settings.endpoints),
    )


def web_directory(settings: CommonSettings) -> Path:
    """Where Envoy finds the files of the pages. Those of a container are already in place."""
    return Path(settings.directory or settings.run_dir.resolve()) / "web"


def _fill(template: str, **values: object) -> str:
    return Template((HERE / template).read_text()).substitute(values)


def _grpc_routes() -> str:
    """The gRPC route of each public proto service."""
    return "".join(
        _fill(
            "grpc_route.yaml",
            SERVICE=full_name.rpartition(".")[2],
            FULL_NAME=full_name,
            CLUSTER=service.name,
            MOST_BYTES=service.message_mib * 2**20 + _MESSAGE_PREFIX,
        )
        for service in SUITE
        for full_name in service.public
    )


def _clusters(endpoints: dict[str, str]) -> str:
    """The cluster of each service."""
    return "".join(
        _fill("cluster.yaml", NAME=name, ENDPOINTS=json.dumps(_addresses(setting)))
        for name, setting in endpoints.items()
    )


def _bucket(rate: int) -> str:
    """A token bucket that lets `rate` requests a second through, at an even pace.

    When it was filled once a second, it let the requests of a whole second through at once. At ten
    times the load that the suite can serve, half of those were refused by the circuit breaker.
    """
    tokens = math.ceil(rate / _FILLS_PER_SECOND)
    return json.dumps(
        {
            "max_tokens": max(tokens, rate // _BURSTS_PER_SECOND),
            "tokens_per_fill": tokens,
            "fill_interval": f"{tokens / rate:.6f}s",
        }
    )


def _addresses(setting: str) -> list[object]:
    addresses: list[object] = []
    for each in setting.split(","):
        host, _, port = each.strip().rpartition(":")
        address = {"address": host.strip("[]"), "port_value": int(port)}
        addresses.append({"endpoint": {"address": {"socket_address": address}}})
    return addresses


def _access_logger(path: str) -> str:
    if path == "/dev/stdout":
        # Not opened by its name: in a container it is a pipe that only root may open.
        return f'"@type": {_LOGGERS}.stream.v3.StdoutAccessLog'
    return f'"@type": {_LOGGERS}.file.v3.FileAccessLog, path: {json.dumps(path)}'
