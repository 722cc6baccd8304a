"""What every service is built on: the store, the watch over it, access, telemetry, the pipeline."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.access.apps import Apps
from services.access.known_tokens import KnownTokens
from services.access.tokens import Tokens
from services.runtime.app_rate import AppRate
from services.runtime.auth import Policy
from services.runtime.health import StoreWatch
from services.runtime.logs import configure_logging
from services.runtime.methods import Contract, Methods
from services.runtime.pipeline import Gate, Pipeline
from services.runtime.service import Service
from services.runtime.settings import AccessSettings, ServerSettings, load
from services.runtime.stop import Stop
from services.runtime.telemetry import Telemetry
from services.runtime.validation import Checks, Validator
from services.store import layout
from services.store.client import connect
from services.store.keys import Buckets
from services.store.settings import StoreSettings
from services.store.store import Store


class Foundation(NamedTuple):
    """The parts by name, for a composition to build its own upon."""

    settings: ServerSettings
    access: AccessSettings
    store_settings: StoreSettings
    store: Store
    buckets: Buckets
    apps: Apps
    tokens: Tokens
    stop: Stop
    watch: StoreWatch
    telemetry: Telemetry
    validator: Validator
    pipeline: Pipeline
    methods: Methods

    @property
    def server(self) -> grpc.Server:
        """Where the generated functions register servicers."""
        return self.methods.as_server()

    def service(
        self,
        contract: Contract,
        *,
        background: Sequence[Callable[[], None]] = (),
        closing: Sequence[Callable[[], None]] = (),
    ) -> Service:
        """The service, once its servicers are registered."""
        return Service(
            self.settings,
            contract,
            self.methods,
            self.pipeline,
            self.watch,
            self.telemetry,
            self.stop,
            background,
            closing,
        )


def lay(
    name: str,
    settings: ServerSettings,
    contract: Contract,
    checks: Checks,
    *,
    is_writer: bool = False,
) -> Foundation:
    """Builds the parts; nothing is connected, and only the thread that takes signals runs yet.

    `is_writer` says that the service writes records, whose format the store then notes.
    """
    configure_logging(name, settings.log_level)
    access, store_settings = load(AccessSettings), load(StoreSettings)
    buckets = Buckets()
    store = connect(store_settings, buckets)
    stop = Stop()
    claim = partial(layout.claim, store, buckets, is_writer=is_writer)
    interval = settings.health_interval_seconds
    watch = StoreWatch(store, contract.names, interval, stop.fail, claim)
    apps = Apps(store)
    tokens = Tokens(store)
    policy = Policy(contract.services, KnownTokens(tokens), access.open_families)
    gate = Gate(watch, policy, AppRate(access.app_rate_limit))
    telemetry, validator = Telemetry(), Validator(checks)
    limits = {"streams": settings.streams, "long_calls": settings.long_calls}
    pipeline = Pipeline(gate, validator, telemetry, **limits)
    methods = Methods(contract.long)
    health_pb2_grpc.add_HealthServicer_to_server(watch.servicer, methods.as_server())
    if settings.reflection:
        names = (*contract.names, "grpc.health.v1.Health", reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, methods.as_server())
    return Foundation(
        settings,
        access,
        store_settings,
        store,
        buckets,
        apps,
        tokens,
        stop,
        watch,
        telemetry,
        validator,
        pipeline,
        methods,
    )
