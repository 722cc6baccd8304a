"""Limits that prevent one caller from using up the memory, the time or the log of a service."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from google.rpc import error_details_pb2, status_pb2

from services.runtime.error_catalogue import REASONS

TOO_MANY_CALLS = REASONS["TOO_MANY_CALLS"]

_IS_GRPC = {
    "header_filter": {
        "header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    }
}
# Otherwise Envoy adds the request id to its own replies only if status_details.lua has seen them.
WITH_REQUEST_ID = {
    "filter": _IS_GRPC,
    "headers_to_add": [{"header": {"key": "x-request-id", "value": "%REQ(x-request-id)%"}}],
}

_MOST_CONNECTIONS = 4_096
# The allocated memory of the process, Python's included. Near it, Envoy refuses all calls, health
# included.
_MOST_HEAP = 256 * 1024 * 1024

RUNTIME = {
    # Calls that one connection may begin in one turn of the event loop; further calls wait for the
    # next turn. Those that are reset meanwhile never reach Python: 45,000 resets a second had used
    # up all of its time.
    "http.max_requests_per_io_cycle": 1,
    # Envoy would close a connection if most of its calls are reset early. The gateway's connections
    # carry the calls of all callers, and one caller can reset more calls than all others make.
    "overload.premature_reset_total_stream_count": 2**53,
}


def refusals_log(log: str) -> Mapping[str, Any]:
    """Writes a line for each call that Envoy ended before Python answered."""
    return {
        "name": "refusals",
        # The details are empty if Python answered. They contain "remote" if the caller left, which
        # is no refusal; the pipeline counts the calls among them that had reached it.
        "filter": {
            "extension_filter": {
                "name": "refused",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3"
                    ".ExpressionFilter",
                    "expression": "response.code_details != ''"
                    " && !response.code_details.contains('remote')",
                },
            }
        },
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": log,
            "log_format": {
                "json_format": {
                    "path": "%REQUEST_HEADER(:PATH):200%",
                    "code": "%GRPC_STATUS_NUMBER%",
                    "why": "%RESPONSE_CODE_DETAILS%",
                    "ms": "%DURATION%",
                    "request_id": "%REQUEST_HEADER(X-REQUEST-ID):128%",
                }
            },
        },
    }


def overloaded() -> dict[str, Any]:
    """Envoy's answer when memory is scarce, which it sends before any filter sees the call."""
    code, message = TOO_MANY_CALLS.code.value[0], TOO_MANY_CALLS.message
    info = error_details_pb2.ErrorInfo(reason="TOO_MANY_CALLS", domain="levelgate")
    status = status_pb2.Status(code=code, message=message)
    status.details.add().Pack(info)
    headers = {
        "grpc-status": str(code),
        "grpc-status-details-bin": b64encode(status.SerializeToString()).decode(),
    }
    is_503 = {"comparison": {"op": "EQ", "value": {"default_value": 503, "runtime_key": "unused"}}}
    return {
        "filter": {"and_filter": {"filters": [_IS_GRPC, {"status_code_filter": is_503}]}},
        "headers_to_add": [{"header": {"key": k, "value": v}} for k, v in headers.items()],
        "body_format_override": {"text_format_source": {"inline_string": message}},
    }


def overload_manager() -> dict[str, Any]:
    monitors = "type.googleapis.com/envoy.extensions.resource_monitors"
    return {
        "refresh_interval": "0.1s",
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": 14},
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": f"{monitors}.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": _MOST_CONNECTIONS,
                },
            },
            {
                "name": "envoy.resource_monitors.fixed_heap",
                "typed_config": {
                    "@type": f"{monitors}.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": _MOST_HEAP,
                },
            },
        ],
        "actions": [
            # A call whose request never comes uses 14 KB, which is too little for the next action.
            {
                **_action("reduce_timeouts", scaled=(0.60, 0.80)),
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.config.overload.v3"
                    ".ScaleTimersOverloadActionConfig",
                    "timer_scale_factors": [
                        {"timer": "HTTP_DOWNSTREAM_STREAM_IDLE", "min_timeout": "2s"}
                    ],
                },
            },
            # The calls that hold the most memory go first.
            _action("reset_high_memory_stream", scaled=(0.80, 0.95)),
            _action("stop_accepting_requests", threshold=0.95),
            _action("stop_accepting_connections", threshold=0.97),
        ],
    }


def _action(
    name: str, *, threshold: float = 0, scaled: tuple[float, float] | None = None
) -> dict[str, Any]:
    trigger: dict[str, Any] = {"name": "envoy.resource_monitors.fixed_heap"}
    if scaled is None:
        trigger["threshold"] = {"value": threshold}
    else:
        low, high = scaled
        trigger["scaled"] = {"scaling_threshold": low, "saturation_threshold": high}
    return {"name": f"envoy.overload_actions.{name}", "triggers": [trigger]}
