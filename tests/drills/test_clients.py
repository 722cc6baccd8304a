"""Clients that are slow, broken or idle: others are still served."""

import resource
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.compose.project import Project
from tests.drills.conftest import Drill, edge_address, passes_once
from tests.drills.load import Load, milliseconds
from tests.gateway.http2 import greeting, unfinished
from tests.stack.waiting import until
from tests.support.running import RunningStack

IDLE = 10_000
SLOW = 200
OUTCOMES = 800
HEAD = b"POST /upbot/api/CheckUserXYLevel HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
Address = tuple[str, int]
Client = Callable[[Address, ExitStack, threading.Event], None]


def connect(address: Address, opened: ExitStack) -> socket.socket:
    return opened.enter_context(socket.create_connection(address, timeout=10))


def idle(address: Address, opened: ExitStack, _over: threading.Event) -> None:
    """10,000 connections that send nothing"""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for _ in range(IDLE):
        connect(address, opened)


def drip(address: Address, opened: ExitStack, over: threading.Event, start: bytes) -> None:
    """Opens connections that send a byte every half second."""
    clients = [connect(address, opened) for _ in range(SLOW)]
    for client in clients:
        client.sendall(start)

    def go_on() -> None:
        while not over.wait(0.5):
            for client in clients:
                with suppress(OSError):
                    client.send(b"x")

    threading.Thread(target=go_on, daemon=True).start()


def slow_headers(address: Address, opened: ExitStack, over: threading.Event) -> None:
    """200 clients that send a byte of a header every half second"""
    drip(address, opened, over, HEAD + b"X-Slow: ")


def slow_body(address: Address, opened: ExitStack, over: threading.Event) -> None:
    """200 clients that send a byte of a body every half second"""
    drip(address, opened, over, HEAD + b"Content-Length: 100000\r\n\r\n{")


def resets(address: Address, _opened: ExitStack, over: threading.Event) -> None:
    """Connections that are reset in the middle of a request, 100 a second"""

    def go_on() -> None:
        while not over.wait(0.01):
            with suppress(OSError), socket.create_connection(address, timeout=10) as client:
                client.sendall(HEAD + b"Content-Length: 40\r\n\r\n{")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    threading.Thread(target=go_on, daemon=True).start()


def half_closed(address: Address, opened: ExitStack, _over: threading.Event) -> None:
    """400 clients that stop: half of them within a body, half of them within an HTTP/2 stream"""
    for _ in range(SLOW):
        client = connect(address, opened)
        client.sendall(HEAD + b"Content-Length: 40\r\n\r\n{")
        client.shutdown(socket.SHUT_WR)
        stream = connect(address, opened)
        stream.sendall(greeting() + unfinished(1, b"/upbot/api/CheckUserXYLevel"))


@contextmanager
def clients(kind: Client, address: Address) -> Iterator[None]:
    over = threading.Event()
    with ExitStack() as opened:
        try:
            kind(address, opened, over)
            yield
        finally:
            over.set()


@pytest.mark.parametrize("kind", [idle, slow_headers, slow_body, resets, half_closed])
def test_slow_and_broken_clients(
    duo: Project, stack: RunningStack, p99_alone: float, drill: Drill, kind: Client
) -> None:
    """Slow and broken clients beside 100 requests/s"""
    address = (edge_address(duo), 8080)

    def measure() -> None:
        with clients(kind, address), Load(stack.gateway, stack.token) as load:
            until(lambda: len(load.outcomes) > OUTCOMES, "the load continues", seconds=60)
        p99 = milliseconds(load.outcomes, 0.99)
        drill.shows(clients=kind.__doc__, **load.figures(), p99_ms_without_them=p99_alone)
        assert load.failures == []
        # The machine is noisy, so this only detects whether a client had to wait.
        assert p99 < 5 * p99_alone + 100

    passes_once(measure)
