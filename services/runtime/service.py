"""A service that is built, and its life: it starts, serves, drains and stops."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.runtime.health import StoreWatch
from services.runtime.methods import Contract, Methods
from services.runtime.pipeline import Pipeline
from services.runtime.settings import ServerSettings
from services.runtime.stop import Stop
from services.runtime.telemetry import Telemetry


class Transport(Protocol):
    """What takes calls from the network: grpcio_server.py and envoy_server/."""

    name: str

    def start(self) -> None:
        """Begins to take calls. Raises RuntimeError where that cannot be."""

    def stop(self, grace: float) -> None:
        """Refuses new calls; returns when those under way have ended, or after `grace` seconds."""


@dataclass(frozen=True)
class Service:
    """Everything that a transport serves, and what runs beside it."""

    settings: ServerSettings
    contract: Contract
    methods: Methods
    pipeline: Pipeline
    watch: StoreWatch
    telemetry: Telemetry
    stop: Stop
    background: Sequence[Callable[[], None]] = ()
    """Started when the transport takes calls."""
    closing: Sequence[Callable[[], None]] = ()
    """Called when no call is under way any more, in this order."""


def run(service: Service, transport: Transport) -> int:
    """Serves until it is asked to stop, then drains: health first, then calls under way.

    Returns the exit code. Raises RuntimeError where the transport cannot start.
    """
    log = structlog.get_logger()
    settings = service.settings
    transport.start()
    service.watch.start()
    for start in service.background:
        start()
    where = {"address": settings.endpoint, "metrics_port": settings.metrics_port}
    log.info("started", server=transport.name, **where)
    code = service.stop.wait()
    service.watch.drain()
    if code == 0:
        log.info("draining", seconds=settings.drain_seconds, grace=settings.grace_seconds)
        threading.Event().wait(settings.drain_seconds)
    transport.stop(settings.grace_seconds)
    for close in service.closing:
        close()
    log.info("stopped")
    return code
