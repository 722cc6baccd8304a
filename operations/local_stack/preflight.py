"""What is settled before the first process starts, so that a mistake leaves nothing running."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"


class StackError(Exception):
    """What ends a run; its text is the one line that the user reads."""


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Hold the run directory: two stacks in one would write each other's data and logs."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "stack.lock").open("a+")
    except OSError as error:
        raise StackError(
            f"cannot write to {directory} ({error.strerror}): set STACK_DIRECTORY"
        ) from error
    with lock:
        lock.seek(0)
        try:
            # The kernel lets go of it however this process ends: no stale lock to delete by hand.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"a stack is already running from {directory} (process {lock.read().strip()}):"
                " stop it first, or set STACK_DIRECTORY and the ports"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def check_ports(ports: Mapping[str, int]) -> None:
    """Refuse a port that two settings share, or that something else listens on."""
    owners: dict[int, str] = {}
    for variable, port in ports.items():
        if port in owners:
            raise StackError(f"port {port} is set twice: {owners[port]} and {variable}")
        owners[port] = variable
        _check_port(variable, port)


def _check_port(variable: str, port: int) -> None:
    with socket.socket() as probe:
        # As the servers do: connections that a former run left in TIME_WAIT are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StackError(f"port {port} is in use: set {variable}") from error
            raise StackError(
                f"port {port} cannot be used ({error.strerror}): set {variable}"
            ) from error
