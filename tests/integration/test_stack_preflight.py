"""What is refused before anything starts, and the variable that each refusal names."""

import socket
from pathlib import Path

import pytest

from operations.local_stack.preflight import StackError, check_ports, claimed
from operations.local_stack.settings import ROOT, StackSettings, read_settings
from tests.stack.waiting import free_ports


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in StackSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("GATEWAY_PORT", "0", "GATEWAY_PORT: Input should be greater than or equal to 1"),
        ("SHOP_LEVEL_PORT", "65536", "SHOP_LEVEL_PORT: Input should be less than or equal to"),
        ("STACK_STORE", "disk", "STACK_STORE: Input should be 'embedded' or 'path'"),
        ("STACK_START_SECONDS", "0", "STACK_START_SECONDS: Input should be greater than 0"),
        ("STACK_STOP_SECONDS", "soon", "STACK_STOP_SECONDS: Input should be a valid number"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, line: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(StackError, match=f"^{line}"):
        read_settings()


def test_two_wrong_settings_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "http")
    monkeypatch.setenv("STACK_STORE", "disk")
    with pytest.raises(StackError, match=r"^GATEWAY_PORT: .*; STACK_STORE: "):
        read_settings()


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "")
    monkeypatch.setenv("REDIS_URL", "")
    settings = read_settings()
    assert settings.gateway_port == 8080
    assert settings.store_url == "redis://127.0.0.1:6390/0"
    assert settings.stack_directory == ROOT / ".run"


def test_a_given_store_needs_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "REDIS_PORT" in read_settings().ports
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379")
    assert "REDIS_PORT" not in read_settings().ports


def test_one_port_for_two() -> None:
    [port] = free_ports(1)
    line = f"^port {port} is set twice: GATEWAY_PORT and SHOP_LEVEL_PORT$"
    with pytest.raises(StackError, match=line):
        check_ports({"GATEWAY_PORT": port, "SHOP_LEVEL_PORT": port})


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_someone_listens_on(address: str) -> None:
    with socket.create_server((address, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=f"^port {port} is in use: set GATEWAY_PORT$"):
            check_ports({"GATEWAY_PORT": port})


def test_a_connection_of_a_former_run_is_no_hindrance() -> None:
    with socket.create_server(("127.0.0.1", 0)) as former:
        port = former.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            served, _ = former.accept()
            served.close()
            assert client.recv(1) == b""
    # The side that closed first is now in TIME_WAIT.
    check_ports({"GATEWAY_PORT": port})


def test_a_directory_is_claimed_once_at_a_time(tmp_path: Path) -> None:
    with (
        claimed(tmp_path),
        pytest.raises(StackError, match="already running from"),
        claimed(tmp_path),
    ):
        pass
    with claimed(tmp_path):
        pass


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=r"set STACK_DIRECTORY$"), claimed(tmp_path / "file"):
        pass
