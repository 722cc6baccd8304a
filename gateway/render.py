"""From the settings to the configuration that Envoy reads."""

import json
import math
from pathlib import Path
from string import Template

from gateway.local_replies import local_replies
from gateway.settings import GatewaySettings
from services.runtime.error_lua import status_details_script

HERE = Path(__file__).resolve().parent
# Envoy fills at most every 50 ms.
_FILLS_PER_SECOND = 20
_BURSTS_PER_SECOND = 4
_LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers"


def render(settings: GatewaySettings) -> str:
    """envoy.yaml with every name filled in."""
    directory = settings.directory or str(HERE)
    values: dict[str, object] = {
        "ADDRESS": settings.address,
        "PORT": settings.port,
        "ADMIN_ADDRESS": settings.admin_address,
        "ADMIN_PORT": settings.admin_port,
        "RATE_LIMIT": _bucket(settings.rate_limit),
        "TOKEN_RATE_LIMIT": _bucket(settings.token_rate_limit),
        "ACCESS_LOGGER": _access_logger(settings.access_log),
        "HEAP_BYTES": settings.heap_mib * 2**20,
        "DIRECTORY": directory,
        "GRPC_LUA": json.dumps(
            f'package.path = "{directory}/lua/?.lua" require("grpc_calls")\n'
            + status_details_script()
        ),
        **local_replies(),
        # JSON is YAML, and quotes what has to be quoted.
        "CORS_ORIGINS": json.dumps(
            [{"exact": origin.strip()} for origin in settings.cors_origins.split(",") if origin]
        ),
    }
    for name in ("upbot_checks", "member_level", "shop_level"):
        values[name.upper()] = json.dumps(_endpoints(getattr(settings, name)))
    return Template((HERE / "envoy.yaml").read_text()).substitute(values)


def _bucket(rate: int) -> str:
    """A token bucket that lets `rate` a second through, at an even pace.

    Filled once a second it let a second's worth in at once: measured at ten times the load that
    the suite can serve, half of those then met the circuit breaker.
    """
    tokens = math.ceil(rate / _FILLS_PER_SECOND)
    return json.dumps(
        {
            "max_tokens": max(tokens, rate // _BURSTS_PER_SECOND),
            "tokens_per_fill": tokens,
            "fill_interval": f"{tokens / rate:.6f}s",
        }
    )


def _endpoints(setting: str) -> list[object]:
    endpoints: list[object] = []
    for each in setting.split(","):
        host, _, port = each.strip().rpartition(":")
        address = {"address": host.strip("[]"), "port_value": int(port)}
        endpoints.append({"endpoint": {"address": {"socket_address": address}}})
    return endpoints


def _access_logger(path: str) -> str:
    if path == "/dev/stdout":
        # Not opened by that name: in a container it is a pipe that only root may open.
        return f'"@type": {_LOGGERS}.stream.v3.StdoutAccessLog'
    return f'"@type": {_LOGGERS}.file.v3.FileAccessLog, path: {json.dumps(path)}'
