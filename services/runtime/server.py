"""The server of a service: how it listens, and how it ends."""

import ctypes
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.runtime.health import StoreWatch
from services.runtime.pipeline import Pipeline
from services.runtime.settings import ServerSettings

# A signal may go to any thread, but Python runs its handler when the main thread wakes, and
# one that waits for ever would not hear of it. Seen once: a service that SIGTERM did not end.
_WAKE_SECONDS = 0.5
# From malloc.h.
_M_ARENA_MAX = -8
# How long a connection that is asked to go may still finish its calls, in milliseconds.
_CONNECTION_AGE_GRACE = 30_000


def build(
    settings: ServerSettings, pipeline: Pipeline, watch: StoreWatch, services: Sequence[str]
) -> grpc.Server:
    """A server with health and reflection; the caller adds its own servicers."""
    if settings.core is not None:
        # Before there are threads: they inherit it.
        os.sched_setaffinity(0, {settings.core})
    _use_one_arena()
    server = grpc.server(
        ThreadPoolExecutor(settings.threads, thread_name_prefix="call"),
        interceptors=[pipeline],
        maximum_concurrent_rpcs=settings.maximum_concurrent_rpcs,
        options=[
            # A second process on the port must be an error, not a silent half of the load.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", settings.maximum_message_bytes),
            ("grpc.max_connection_age_ms", settings.connection_age_seconds * 1_000),
            ("grpc.max_connection_age_grace_ms", _CONNECTION_AGE_GRACE),
            # The gateway and our client send keepalives on idle connections.
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ],
    )
    health_pb2_grpc.add_HealthServicer_to_server(watch.servicer, server)
    if settings.reflection:
        names = (*services, "grpc.health.v1.Health", reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
    return server


def _use_one_arena() -> None:
    """Makes glibc give all threads memory from one place; elsewhere nothing.

    It gives each thread an arena, and what one thread frees the others cannot have: with eight a
    service grew by 3.6 MiB with each million of users that it was asked about, with one by none.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


class Stop:
    """What ends a service: a signal, or a finding of its own. A second signal ends it at once."""

    def __init__(self) -> None:
        # Not an Event: a handler may interrupt the very lines that hold an Event's lock.
        self._codes: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._is_asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def fail(self) -> None:
        self._codes.put(1)

    def wait(self) -> int:
        """Waits to be asked; returns the exit code."""
        while True:
            with suppress(queue.Empty):
                return self._codes.get(timeout=_WAKE_SECONDS)

    def _on_signal(self, _number: int, _frame: object) -> None:
        if self._is_asked:
            os._exit(1)
        self._is_asked = True
        self._codes.put(0)


def run(settings: ServerSettings, server: grpc.Server, watch: StoreWatch, stop: Stop) -> int:
    """Serves until `stop`, then drains: health first, then calls under way.

    Returns the exit code.
    """
    log = structlog.get_logger()
    endpoint = f"{settings.address}:{settings.port}"
    try:
        server.add_insecure_port(endpoint)
    except RuntimeError:
        sys.exit(f"cannot listen on {endpoint}: the port is in use, or the address is not ours")
    server.start()
    watch.start()
    log.info("started", address=endpoint, metrics_port=settings.metrics_port)
    code = stop.wait()
    watch.drain()
    if code == 0:
        log.info("draining", seconds=settings.drain_seconds, grace=settings.grace_seconds)
        _wait(threading.Event(), settings.drain_seconds)
    _wait(server.stop(settings.grace_seconds))
    log.info("stopped")
    return code


def _wait(event: threading.Event, seconds: float = math.inf) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if event.wait(min(left, _WAKE_SECONDS)):
            return
