"""Checks before the first process starts, so that a mistake leaves nothing running."""

import fcntl
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from operations.local_stack.settings import HOST


class StackError(Exception):
    """Ends the run; its text is the message that the user reads."""


def lock(directory: Path) -> TextIO:
    """Locks the run directory: two stacks in one would overwrite each other's data and logs."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / "stack.lock").open("w")
        # The kernel releases it however this process ends.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StackError(f"a stack is already running from {directory}: stop it first") from None
    except OSError as error:
        raise StackError(f"{directory}: {error.strerror}: set STACK_DIRECTORY") from error
    return file


def check_ports(ports: Mapping[str, int]) -> None:
    """Refuses ports that other programs listen on, all in one line."""
    refused = []
    for variable, port in ports.items():
        with socket.socket() as probe:
            # Servers set it too, so that connections in TIME_WAIT do not block the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                refused.append(f"port {port}: {error.strerror}: set {variable}")
    if refused:
        raise StackError("; ".join(refused))
