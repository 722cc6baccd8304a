"""The entry point of `python -m services.<name>`: it chooses the transport, and serves."""

import argparse
import os
import sys
from importlib import import_module

import structlog

from levelgate import __version__
from services.runtime.envoy_server.process import exec_envoy, shared_libpython
from services.runtime.methods import Contract
from services.runtime.misspelt import warn_of_misspelt
from services.runtime.settings import AccessSettings, ServerSettings, load, variable
from services.runtime.shutdown import block_signals
from services.store.settings import StoreSettings

_NO_LIBPYTHON = (
    "wrong setting {variable}: envoy needs a shared libpython, which {python} was built without."
    " Debian has it in the package libpython3, pyenv builds it with"
    " PYTHON_CONFIGURE_OPTS=--enable-shared; or set {variable}=grpcio"
)


def main(composition: str, settings_type: type[ServerSettings], contract: Contract) -> int:
    """Serves until a shutdown is requested, and returns the exit code.

    `composition` names the module whose `build()` assembles the service. Where Envoy receives the
    calls, it replaces this program, imports that module, and this function does not return. A wrong
    setting ends the process with one line before anything is started.
    """
    _parse_arguments(composition)
    settings = load(settings_type)
    for shared in (AccessSettings, StoreSettings):
        load(shared)
    warn_of_misspelt(str(settings_type.model_config["env_prefix"]), settings_type)
    warn_of_misspelt("REDIS_", StoreSettings)
    block_signals()
    if settings.core is not None:
        # Threads inherit it, so it comes before the first one.
        os.sched_setaffinity(0, {settings.core})
    libpython = None if settings.server == "grpcio" else shared_libpython()
    if libpython is not None:
        exec_envoy(settings, contract, composition, libpython)
    if settings.server == "envoy":
        name = variable(settings_type, "server")
        sys.exit(_NO_LIBPYTHON.format(variable=name, python=sys.executable))
    return _serve_with_grpcio(composition, is_chosen=settings.server == "grpcio")


def _parse_arguments(composition: str) -> None:
    """Answers `--help` and `--version`, and refuses all others: settings come from variables."""
    package = composition.rpartition(".")[0]
    name = package.rpartition(".")[2]
    parser = argparse.ArgumentParser(
        prog=f"python -m {package}", epilog="docs/settings.md lists the variables that it reads"
    )
    parser.add_argument("--version", action="version", version=f"{name} {__version__}")
    parser.parse_args()


def _serve_with_grpcio(composition: str, *, is_chosen: bool) -> int:
    # Imported here, because Envoy does not need it and it would double the time to start.
    from services.runtime import metrics_server  # noqa: PLC0415
    from services.runtime.grpcio_server import GrpcioServer  # noqa: PLC0415
    from services.runtime.service import Service  # noqa: PLC0415

    service: Service = import_module(composition).build()
    settings = service.settings
    if not is_chosen:
        why = "the interpreter has no shared libpython, which Envoy needs"
        risk = "half-sent calls can block this service: docs/reliability.md"
        structlog.get_logger().warning("grpcio receives the calls", why=why, risk=risk)
    metrics_server.serve(settings, service.telemetry.registry)
    try:
        transport = GrpcioServer(settings, service.methods, service.pipeline)
    except RuntimeError:
        # grpcio's text says the same at greater length.
        sys.exit(f"cannot listen on {settings.endpoint}: the port is in use")
    return service.run(transport)
