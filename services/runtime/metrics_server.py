"""What a service shows over HTTP, on its metrics port: /metrics, and /healthz for cheap probes.

A gRPC probe in Python costs 0.3 s of CPU each time, for its imports. This one asks over a channel
that stays open, and through the port that callers use: a service that no longer answers there is
not healthy, whatever it thinks of itself.
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
# Who connects and sends nothing must not keep a thread.
_SOCKET_SECONDS = 5
_HEALTH_SECONDS = 1.0
_MOST_CONNECTIONS = 64

_STATUSES = health_pb2.HealthCheckResponse.ServingStatus

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve(settings: ServerSettings, registry: CollectorRegistry) -> None:
    """Shows the pages; a port that is taken ends the process with one line."""
    # Asked before the service listens, it must not wait for long until it is asked again.
    options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1_000)]
    channel = grpc.insecure_channel(settings.endpoint, options)
    application = _pages(make_wsgi_app(registry), HealthStub(channel))
    address, port = settings.address, settings.metrics_port
    try:
        kind = _ServerOnIPv6 if ":" in address else _Server
        server = make_server(address, port, application, kind, _Handler)
    except OSError as error:
        sys.exit(f"cannot show metrics on {address}:{port}: {error.strerror}")
    threading.Thread(target=server.serve_forever, name="pages", daemon=True).start()


def _pages(metrics: Application, health: Any) -> Application:
    def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
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
                return [b"/metrics and /healthz are here\n"]

    return page


def _status(health: Any) -> str:
    try:
        reply = health.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_SECONDS)
    except grpc.RpcError as error:
        return str(error.code().name)
    return _STATUSES.Name(reply.status)


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection, of which there are at most _MOST_CONNECTIONS."""

    daemon_threads = True
    # By default 5 wait to be accepted, and the next one tries again after a second.
    request_queue_size = _MOST_CONNECTIONS

    def __init__(self, *arguments: Any) -> None:
        # In the order in which they were accepted.
        self._open: dict[socket.socket, None] = {}
        self._opening = threading.Lock()
        # Threads of connections that are open, or are just ending.
        self._places = threading.Semaphore(2 * _MOST_CONNECTIONS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._opening:
            self._open[request] = None
            if len(self._open) > _MOST_CONNECTIONS:
                # Most likely a request that never completes; a probe must come through.
                oldest = next(iter(self._open))
                del self._open[oldest]
                _end(oldest)
        self._places.acquire()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._opening:
            self._open.pop(request, None)
        super().shutdown_request(request)
        self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Says nothing of a connection that was reset; its exception would have the address."""
        error = sys.exception()
        if not isinstance(error, OSError):
            structlog.get_logger().error("page failed", exc_info=error)


class _ServerOnIPv6(_Server):
    address_family = socket.AF_INET6


def _end(connection: socket.socket) -> None:
    # Its thread reads the end of the request, and closes the socket.
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    timeout = _SOCKET_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Says nothing: a probe comes every few seconds."""

    def get_stderr(self) -> Any:
        """Where wsgiref writes what it says of a failed page: an exception with its text."""
        return io.StringIO()
