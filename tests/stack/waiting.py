"""Waits for conditions instead of sleeping for a fixed time."""

import os
import random
import socket
import time
from collections.abc import Callable

TIMEOUT_SECONDS = 30.0


def until(condition: Callable[[], object], what: str, seconds: float = TIMEOUT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """A zombie that its new parent has not fetched yet is dead."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return os.path.exists("/proc") is False


def free_ports(count: int) -> list[int]:
    """Different ports, chosen at random below those that the kernel gives to connections.

    So neither a connection nor another process of pytest takes one before its server does.
    """
    found: list[socket.socket] = []
    try:
        while len(found) < count:
            candidate = socket.socket()
            try:
                candidate.bind(("127.0.0.1", random.randrange(10_000, 32_000)))
            except OSError:
                candidate.close()
            else:
                found.append(candidate)
        return [each.getsockname()[1] for each in found]
    finally:
        for each in found:
            each.close()
