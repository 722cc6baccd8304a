"""The HTTP server on the metrics port: /metrics for Prometheus, and /healthz for cheap probes.

A gRPC probe in Python takes 0.3 s of CPU each time, for its imports. /healthz uses a channel that
stays open. It calls the port that callers use, because a service that no longer answers there is
not healthy, even if its own status is SERVING.
"""

import io
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import grpc
import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client import CollectorRegistry, make_wsgi_app

from services.runtime.settings import ServerSettings

_TEXT = ("Content-Type", "text/plain; charset=utf-8")
# In seconds. A client that connects and sends nothing must not occupy a thread.
_SOCKET_SECONDS = 5
_HEALTH_SECONDS = 1.0
_MOST_CONNECTIONS = 64

_STATUSES = health_pb2.HealthCheckResponse.ServingStatus

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve(settings: ServerSettings, registry: CollectorRegistry) -> None:
    """Starts the server; a port in use ends the process with one line."""
    # A probe that comes before the service listens must not delay the next attempt for long.
    options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1_000)]
    channel = grpc.insecure_channel(settings.endpoint, options)
    application = _application(make_wsgi_app(registry), HealthStub(channel))
    address, port = settings.address, settings.metrics_port
    try:
        kind = _ServerOnIPv6 if ":" in address else _Server
        server = make_server(address, port, application, kind, _Handler)
    except OSError as error:
        sys.exit(f"cannot serve metrics on {address}:{port}: {error.strerror}")
    threading.Thread(target=server.serve_forever, name="metrics-server", daemon=True).start()


def _application(metrics: Application, health: Any) -> Application:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                return metrics(environ, start_response)
            case "/healthz":
                status = _status(health)
                is_serving = status == "SERVING"
                start_response("200 OK" if is_serving else "503 Service Unavailable", [_TEXT])
                return [f"{status}\n".encode()]
            case _:
                start_response("404 Not Found", [_TEXT])
                return [b"not found; this port serves /metrics and /healthz\n"]

    return answer


def _status(health: Any) -> str:
    try:
        reply = health.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_SECONDS)
    except grpc.RpcError as error:
        return str(error.code().name)
    return _STATUSES.Name(reply.status)


class _Server(ThreadingMixIn, WSGIServer):
    """Serves each connection on a separate thread, up to _MOST_CONNECTIONS at a time."""

    daemon_threads = True
    # By default up to 5 connections wait to be accepted, and the next one retries after a second.
    request_queue_size = _MOST_CONNECTIONS

    def __init__(self, *arguments: Any) -> None:
        # In the order in which the connections were accepted.
        self._open: dict[socket.socket, None] = {}
        self._opening = threading.Lock()
        # Limits the threads, including those whose connection is being closed.
        self._threads_left = threading.Semaphore(2 * _MOST_CONNECTIONS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._opening:
            self._open[request] = None
            if len(self._open) > _MOST_CONNECTIONS:
                # Most likely a request that never completes. It gives way to the next probe.
                oldest = next(iter(self._open))
                del self._open[oldest]
                _end(oldest)
        self._threads_left.acquire()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._opening:
            self._open.pop(request, None)
        super().shutdown_request(request)
        self._threads_left.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Ignores a connection that was reset, whose exception contains the address."""
        error = sys.exception()
        if not isinstance(error, OSError):
            structlog.get_logger().error("HTTP request failed", exc_info=error)


class _ServerOnIPv6(_Server):
    address_family = socket.AF_INET6


def _end(connection: socket.socket) -> None:
    # Its thread then reads the end of the request, and closes the socket.
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    timeout = _SOCKET_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Logs nothing, because a probe comes every few seconds."""

    def get_stderr(self) -> Any:
        """Discards what wsgiref writes about a failed request, which is the exception's text."""
        return io.StringIO()
