"""How a service is assembled and run. All three services share this.

`composition.py` of each service creates a `Service`, registers its servicers on it, and adds its
background work. `main.py`, or `envoy_server/application.py` inside Envoy, then runs it.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple, Protocol

import structlog
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.access.known_tokens import KnownTokens
from services.access.tokens import Tokens
from services.runtime.app_rate import AppRate
from services.runtime.auth import Policy
from services.runtime.gate import Gate
from services.runtime.health import Health, LayoutCheck, StoreAvailability, StoreProbe
from services.runtime.logs import configure_logging
from services.runtime.methods import Contract, Methods
from services.runtime.pipeline import Pipeline
from services.runtime.settings import AccessSettings, ServerSettings, load
from services.runtime.shutdown import Shutdown
from services.runtime.telemetry import Telemetry
from services.runtime.tolerances import Tolerances
from services.runtime.validation import Checks, Validator
from services.store import layout
from services.store.client import connect
from services.store.keys import Buckets
from services.store.settings import StoreSettings


class Transport(Protocol):
    """Receives calls from the network: grpcio_server.py and envoy_server/ implement it."""

    name: str

    def start(self) -> None:
        """Begins to accept calls."""

    def stop(self, grace: float) -> None:
        """Refuses new calls, and waits up to `grace` seconds for those in progress."""


class _Background(NamedTuple):
    start: Callable[[], None]
    close: Callable[[], None] | None


class Service:
    """The components that every service has, and what its composition adds to them."""

    def __init__(
        self,
        name: str,
        settings: ServerSettings,
        contract: Contract,
        checks: Checks,
        *,
        is_writer: bool = False,
    ) -> None:
        """Builds the components. The store is connected when it is first used.

        `is_writer` says that the service writes records of members, so it marks the store with
        the format that it writes.
        """
        configure_logging(name, settings.log_level)
        self.settings, self.contract = settings, contract
        self.access, self.store_settings = load(AccessSettings), load(StoreSettings)
        self.shutdown = Shutdown()
        self.telemetry = Telemetry()
        self.validator = Validator(checks)
        self.buckets = Buckets()
        self.store = connect(self.store_settings, self.buckets)

        self.health = Health(contract.names)
        self.availability = StoreAvailability(self.health)
        claim = partial(layout.claim, self.store, self.buckets, is_writer=is_writer)
        probe = StoreProbe(
            self.store,
            LayoutCheck(claim, self.availability),
            self.availability,
            self.shutdown,
            settings.health_interval_seconds,
        )
        self._background = [_Background(probe.start, None)]

        tokens = KnownTokens(Tokens(self.store))
        policy = Policy(contract.services, tokens, self.access.open_families)
        gate = Gate(
            self.availability,
            policy,
            AppRate(self.access.app_rate_limit),
            Tolerances(self.telemetry.registry),
        )
        self.pipeline = Pipeline(
            gate,
            self.validator,
            self.telemetry,
            streams=settings.streams,
            long_calls=settings.long_calls,
        )

        self.methods = Methods(contract.long)
        self.server = self.methods.as_server()
        """Where the generated functions register servicers."""
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, self.server)
        if settings.reflection:
            names = (*contract.names, "grpc.health.v1.Health", reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self.server)

    def add_background(
        self, start: Callable[[], None], close: Callable[[], None] | None = None
    ) -> None:
        """Adds work that `start` begins before the first call, and `close` ends after the last."""
        self._background.append(_Background(start, close))

    def start_background(self) -> ExitStack:
        """Starts the background work; the stack that it returns closes it in reverse order."""
        closing = ExitStack()
        for work in self._background:
            work.start()
            if work.close is not None:
                closing.callback(work.close)
        return closing

    def run(self, transport: Transport) -> int:
        """Serves until a shutdown is requested, and returns the exit code.

        The shutdown begins with health, so that the gateway chooses other instances. Then calls in
        progress end, and everything that was started is closed in reverse order.
        """
        log = structlog.get_logger()
        settings = self.settings
        with self.start_background() as closing:
            transport.start()
            closing.callback(transport.stop, settings.grace_seconds)
            where = {"address": settings.endpoint, "metrics_port": settings.metrics_port}
            log.info("started", server=transport.name, **where)
            code = self.shutdown.wait()
            self.health.shut_down()
            if code == 0:
                log.info("draining", seconds=settings.drain_seconds, grace=settings.grace_seconds)
                time.sleep(settings.drain_seconds)
        log.info("stopped")
        return code
