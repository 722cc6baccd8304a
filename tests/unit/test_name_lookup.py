"""A silent name server delays no caller beyond the timeout."""

import socket
import threading
import time
from typing import Any

import pytest

from services.store.name_lookup import require_resolvable


def test_a_known_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_kw: asked.append(args))
    require_resolvable("redis", 6379, 1)
    assert asked == [("redis", 6379)]


def test_an_unknown_name_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_args: Any, **_kw: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(socket.gaierror):
        require_resolvable("redis", 6379, 1)


def test_a_silent_name_server_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    # A fake, because a real name server cannot be made silent on every machine.
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kw: answered.wait(20))
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        require_resolvable("redis", 6379, 0.1)
    assert time.monotonic() - started < 5
    answered.set()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_address_is_not_looked_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    require_resolvable(address, 6379, 0.1)
