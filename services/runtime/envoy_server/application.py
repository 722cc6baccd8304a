"""The Python application that Envoy imports: it builds the service on first use, and runs it.

pyvoy takes an application as an attribute of a module. This module has two of them: one for the
threads of short calls, and one for the event loop of all others. They are made when they are first
accessed, so that the import alone has no effect.
"""

import os
import sys
import threading
from functools import cache
from importlib import import_module
from typing import Any

from services.runtime import metrics_server
from services.runtime.envoy_server.built_in import BuiltIn
from services.runtime.envoy_server.long_calls import LongCalls
from services.runtime.envoy_server.process import ADMIN_SOCKET, COMPOSITION, REFUSALS
from services.runtime.envoy_server.refusals import Refusals
from services.runtime.envoy_server.short_calls import ShortCalls
from services.runtime.envoy_server.transport import EnvoyTransport
from services.runtime.methods import Kind
from services.runtime.service import Service


def __getattr__(name: str) -> Any:
    if name in {"short_calls", "long_calls"}:
        return _applications()[name]
    raise AttributeError(name)


@cache
def _applications() -> dict[str, Any]:
    try:
        return _build()
    except SystemExit as error:
        # The text is one line for the operator; Envoy and pyvoy would add a traceback.
        print(error.code, file=sys.stderr, flush=True)
        os._exit(1)


def _build() -> dict[str, Any]:
    service: Service = import_module(os.environ[COMPOSITION]).build()
    settings, methods, pipeline = service.settings, service.methods, service.pipeline
    unary = {method.path: pipeline.unary(method) for method in methods.of(Kind.SHORT)}
    built_in = BuiltIn(methods.of(Kind.BUILT_IN), pipeline, service.contract.names)
    paths = frozenset(method.path for method in methods.all())
    Refusals(paths, service.telemetry).start(int(os.environ[REFUSALS]))
    metrics_server.serve(settings, service.telemetry.registry)
    transport = EnvoyTransport(os.environ[ADMIN_SOCKET], built_in)
    threading.Thread(target=_run, args=(service, transport), name="service", daemon=True).start()
    return {
        "short_calls": ShortCalls(unary, pipeline, settings.maximum_message_bytes),
        "long_calls": LongCalls(settings, methods, pipeline, built_in),
    }


def _run(service: Service, transport: EnvoyTransport) -> None:
    code = 1
    try:
        code = service.run(transport)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Envoy's own shutdown would lose what Python has not written yet.
        os._exit(code)
