"""The configuration of the Envoy that a service runs in, from the service's settings."""

import json
from typing import Any

from pyvoy import PyvoyServer

from services.runtime.envoy_server.limits import (
    RUNTIME,
    WITH_REQUEST_ID,
    overload_manager,
    overloaded,
    refusals_log,
)
from services.runtime.error_lua import status_details_script
from services.runtime.methods import Contract, Kind, kind_of
from services.runtime.settings import ServerSettings

# The content type that `grpc_http1_reverse_bridge` sets on every gRPC call that it converts.
COMPLETE_CALL = "application/grpc+complete"

_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
_BUFFER = "envoy.filters.http.buffer"
_BRIDGE = "envoy.filters.http.grpc_http1_reverse_bridge"
_CONCURRENCY = "envoy.filters.http.adaptive_concurrency"
_LONG_CALLS = "long_calls"

_ON: dict[str, Any] = {
    "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
    "config": {},
}
_OFF = {**_ON, "disabled": True}

# A short call waits for the store for less than a second, and not much longer in a queue; LevelDown
# may take 60 s. These limits also end a unary call whose request never comes. Other calls have an
# hour, or less when memory is scarce.
_SHORT_SECONDS = 30
_LONG_SECONDS = 75


def configuration(
    settings: ServerSettings, contract: Contract, application: str, admin: str, log: str
) -> dict[str, Any]:
    """The bootstrap configuration.

    `application` is the Python module with `short_calls` and `long_calls`, `admin` is the path of
    the socket for Envoy's administration, and Envoy writes a line to the file `log` for each call
    that it refuses.
    """
    return {
        "admin": {"address": {"pipe": {"path": admin}}},
        # Envoy's own log lines have the format of the service's.
        "application_log_config": {
            "log_format": {
                "json_format": {
                    "timestamp": "%Y-%m-%dT%H:%M:%S.%fZ",
                    "level": "%l",
                    "event": "envoy",
                    "why": "%j",
                }
            }
        },
        "layered_runtime": {"layers": [{"name": "static", "static_layer": RUNTIME}]},
        "overload_manager": overload_manager(),
        "static_resources": {"listeners": [_listener(settings, contract, application, log)]},
    }


def _listener(
    settings: ServerSettings, contract: Contract, application: str, log: str
) -> dict[str, Any]:
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": "service",
        "codec_type": "HTTP2",
        "http2_protocol_options": {
            "max_concurrent_streams": 256,
            # The other HTTP/2 library, nghttp2, closes a connection after some 1,000 resets, and
            # the gateway's connection carries the calls of all callers. Measured: one caller reset
            # 22,400 calls in 8 s, and 15 of 2,352 calls of others failed; with oghttp2 none did.
            "use_oghttp2_codec": True,
            # Detects callers who disconnected or do not read while a stream is silent.
            "connection_keepalive": {"interval": "30s", "timeout": "20s"},
        },
        "common_http_protocol_options": {
            "idle_timeout": "3600s",
            "max_connection_duration": f"{settings.connection_age_seconds}s",
        },
        "request_headers_timeout": "5s",
        # Shortened when memory is scarce: see overload_manager.
        "stream_idle_timeout": "3600s",
        "drain_timeout": "5s",
        # Every reply has the request id, and so has the RequestInfo of a call that Envoy refuses.
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "local_reply_config": {"mappers": [overloaded(), WITH_REQUEST_ID]},
        "server_header_transformation": "PASS_THROUGH",
        "access_log": [refusals_log(log)],
        "route_config": {
            "validate_clusters": False,
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": _routes(contract)}],
        },
        "http_filters": _filters(settings, application),
    }
    address = {"address": settings.address, "port_value": settings.port}
    return {
        "name": "service",
        "address": {"socket_address": address},
        # A second process on the port must fail, and not take half of the load silently.
        "enable_reuse_port": False,
        # Envoy reads up to this many bytes of one connection before it serves the next one. With
        # the default of 1 MiB, one connection without a token that reset calls at full speed
        # stopped the service for everybody; with this limit no call of others failed.
        "per_connection_buffer_limit_bytes": 16 * 1024,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _routes(contract: Contract) -> list[dict[str, Any]]:
    """Selects the filters of each method. No route has an upstream: Python is the last filter."""
    routes = [
        # Used by the probes of gateways and orchestrators.
        _route({"prefix": "/grpc.health."}, Kind.BUILT_IN, client_streams=False),
        _route({"prefix": "/grpc.reflection."}, Kind.BUILT_IN, client_streams=True),
    ]
    for path, method in contract.methods():
        is_stream = method.client_streaming or method.server_streaming
        kind = kind_of(path, contract.long, is_stream=is_stream)
        if kind is not Kind.SHORT:
            routes.append(_route({"path": path}, kind, client_streams=method.client_streaming))
    return [*routes, {"match": {"prefix": "/"}, **_without_upstream(_SHORT_SECONDS)}]


def _route(match: dict[str, str], kind: Kind, *, client_streams: bool) -> dict[str, Any]:
    filters = {_LONG_CALLS: _ON, _BRIDGE: _OFF, _CONCURRENCY: _OFF}
    if client_streams:
        filters[_BUFFER] = _OFF
    seconds = _LONG_SECONDS if kind is Kind.LONG else None
    return {"match": match, "typed_per_filter_config": filters, **_without_upstream(seconds)}


def _without_upstream(seconds: int | None) -> dict[str, Any]:
    """A route that ends a call after `seconds` without traffic.

    With max_stream_duration instead, Envoy would replace the caller's deadline by its own limit.
    """
    limit = {} if seconds is None else {"idle_timeout": f"{seconds}s"}
    return {"route": {"cluster": "nowhere", **limit}}


def _filters(settings: ServerSettings, application: str) -> list[dict[str, Any]]:
    most = settings.maximum_message_bytes + 5  # the prefix of a message: wire.py
    limit = settings.maximum_concurrent_rpcs
    script = {"inline_string": status_details_script()}
    return [
        _filter("envoy.filters.http.lua", "lua.v3.Lua", default_source_code=script),
        _filter(_BUFFER, "buffer.v3.Buffer", max_request_bytes=most),
        # Limits the complete calls that wait for a thread or occupy one. A fixed minimum round trip
        # time, far above any real one, makes the limit constant.
        _filter(
            _CONCURRENCY,
            "adaptive_concurrency.v3.AdaptiveConcurrency",
            gradient_controller_config={
                "sample_aggregate_percentile": {"value": 50},
                "concurrency_limit_params": {
                    "max_concurrency_limit": limit,
                    "concurrency_update_interval": "1s",
                },
                "min_rtt_calc_params": {"fixed_value": "3600s", "min_concurrency": limit},
            },
            enabled={"default_value": True, "runtime_key": "unused"},
            concurrency_limit_exceeded_status={"code": "TooManyRequests"},
        ),
        _filter(_BRIDGE, "grpc_http1_reverse_bridge.v3.FilterConfig", content_type=COMPLETE_CALL),
        {**_python(f"{application}:long_calls", "asgi"), "name": _LONG_CALLS, "disabled": True},
        _python(f"{application}:short_calls", "wsgi", settings.threads),
    ]


def _filter(name: str, kind: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{_FILTERS}.{kind}", **config}}


def _python(application: str, interface: Any, threads: int = 1) -> dict[str, Any]:
    """The filter that calls a Python application, with pyvoy's configuration."""
    server = PyvoyServer(
        application, interface=interface, worker_threads=threads, lifespan=False, port=1
    )
    listener = server.get_envoy_config()["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    found: dict[str, Any] = manager["http_filters"][-1]
    # The filter of long calls is enabled for some routes only, so it is not the last one.
    is_last = interface == "wsgi"
    return {**found, "typed_config": {**found["typed_config"], "terminal_filter": is_last}}


def as_argument(config: dict[str, Any]) -> str:
    """The configuration in the form of Envoy's command line."""
    return json.dumps(config, separators=(",", ":"))
