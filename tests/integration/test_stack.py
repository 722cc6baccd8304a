"""`python -m operations.local_stack` with the real store, services and gateway."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from operations.local_stack.__main__ import main
from operations.local_stack.settings import ROOT
from services.store import keys
from services.suite import SUITE
from tests.stack.waiting import alive, free_ports, until
from tests.support.running import PORTS
from tests.support.store_server import SERVERS, server

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SERVICES = [service.name for service in SUITE]


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Every port is a free one. It is set in this process as well."""
    free = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    settings = {**free, "STACK_DIRECTORY": str(tmp_path / "run")}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


class Stack:
    def __init__(self, settings: dict[str, str], output: Path) -> None:
        self.directory = Path(os.environ["STACK_DIRECTORY"])
        self.connection_file = self.directory / "stack.json"
        self._output = output
        with output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "operations.local_stack"],
                cwd=ROOT,
                env={**os.environ, **settings},
                stdout=out,
                stderr=out,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_until_healthy(self) -> None:
        ready = self.connection_file.exists
        until(lambda: ready() or self.process.poll() is not None, "stack.json", seconds=60)
        assert self.process.poll() is None, self.output
        until(lambda: "Ctrl-C" in self.output, "the banner is shown")

    def assert_nothing_runs(self, components: list[str]) -> None:
        started = re.findall(r"\| started (\w+) \(process (\d+)\)", self.output)
        assert [name for name, _ in started] == components
        until(lambda: not any(alive(int(pid)) for _, pid in started), "all components have ended")


Start = Callable[..., Stack]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    stacks: list[Stack] = []

    def begin(**settings: str) -> Stack:
        stacks.append(Stack(settings, tmp_path / "output"))
        return stacks[-1]

    yield begin
    for stack in stacks:
        if stack.process.poll() is None:
            # The kernel then ends its components.
            stack.process.kill()
            stack.process.wait()


@pytest.fixture
def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., str]]:
    """The one line on standard error of a run that ends with 1, in this process."""

    def run(*arguments: str, **settings: str) -> str:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        try:
            assert main(arguments) == 1
            [line] = capsys.readouterr().err.splitlines()
        except SystemExit as error:
            [line] = str(error.code).splitlines()
        return line.removeprefix("stack: ")

    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_stack_from_start_to_end(
    start: Start, environment: dict[str, str], refused: Callable[..., str]
) -> None:
    stack = start(STACK_DIRECTROY="x", GATEWAY_RATELIMIT="3")
    stack.wait_until_healthy()
    ports = environment
    content = json.loads(stack.connection_file.read_text())
    assert content.pop("app")["appid"] == "demo"
    assert content.pop("token") != content.pop("member_token")
    assert content == {
        "gateway": f"http://127.0.0.1:{ports['GATEWAY_PORT']}",
        "admin": f"http://127.0.0.1:{ports['GATEWAY_ADMIN_PORT']}",
        "redis": f"redis://127.0.0.1:{ports['REDIS_PORT']}/0",
        "grpc": {name: f"127.0.0.1:{ports[f'{name.upper()}_PORT']}" for name in SERVICES},
    }
    assert stack.connection_file.stat().st_mode & 0o777 == 0o600
    assert (stack.directory / "valkey" / "appendonlydir").is_dir()

    running = f"a stack is already running from {stack.directory}: stop it first"
    assert (refused(), refused("--reset")) == (running, running)
    assert stack.connection_file.exists()
    lines = stack.output.splitlines()
    assert lines[0].startswith("stack        | started store ")
    # The last lines that are shown: nothing has scrolled them away.
    warnings = [
        line for line in lines[lines.index("  Ctrl-C stops everything.") :] if "not a" in line
    ]
    assert ["STACK_DIRECTROY" in line for line in warnings] == [True, False]
    assert ["GATEWAY_RATELIMIT" in line for line in warnings] == [False, True]
    curls = [line for line in lines if line.startswith("curl ")]
    for curl in curls:
        shown = subprocess.run(
            shlex.split(curl), capture_output=True, text=True, check=True, timeout=10
        ).stdout
        assert shown.endswith("}\n")
    assert len(curls) == 3

    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(60) == 0
    assert not stack.connection_file.exists()
    stack.assert_nothing_runs(["store", *SERVICES, "gateway"])
    stops = re.findall(r"\| stopping (\w+)", stack.output)
    assert stops == ["gateway", *reversed(SERVICES), "store"]
    # Each service's log is followed.
    assert any(line.startswith("shop_level   | ") for line in stack.output.splitlines())

    assert main(["--reset"]) == 0
    assert not (stack.directory / "valkey").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has PR_SET_PDEATHSIG")
def test_a_stack_that_is_killed_leaves_nothing_but_the_given_store(
    start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    with server(SERVERS["valkey"], tmp_path) as store:
        # REDIS_PORT is not looked at: no store will listen there.
        stack = start(REDIS_URL=store.address, REDIS_PORT=str(store.port))
        stack.wait_until_healthy()
        assert json.loads(stack.connection_file.read_text())["redis"] == store.address
        assert not (stack.directory / "valkey").exists()
        stack.process.kill()
        stack.process.wait()
        stack.assert_nothing_runs([*SERVICES, "gateway"])
        assert store.process.poll() is None
    ports = [int(environment[name]) for name in PORTS]
    until(lambda: not any(map(listens, ports)), "no port is in use")


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("HSET", keys.RULES, "not", "rules"), "the demo data could not be loaded: "),
        (("SET", keys.LAYOUT, "another"), "the store's layout is another, "),
    ],
)
def test_a_store_with_other_contents_ends_the_run(
    refused: Callable[..., str], tmp_path: Path, command: tuple[str, ...], message: str
) -> None:
    with server(SERVERS["valkey"], tmp_path) as store, redis.Redis(port=store.port) as client:
        client.execute_command(*command)
        line = refused(REDIS_URL=store.address)
    assert line.startswith(message)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("GATEWAY_PORT", "http", "wrong setting GATEWAY_PORT: "),
        ("SHOP_LEVEL_PORT", "65536", "wrong setting SHOP_LEVEL_PORT: "),
        # A setting of a component is checked before the first one starts.
        ("OPEN_FAMILIES", "upbot", "wrong setting OPEN_FAMILIES: "),
        ("REDIS_URL", "redis://:pass@127.0.0.1:1", "the store does not answer: it "),
        ("REDIS_URL", "redis://u:pass", "REDIS_URL must be an address such as redis://"),
        ("STACK_DIRECTORY", "/dev/null", "/dev/null: File exists: set STACK_DIRECTORY"),
    ],
)
def test_a_wrong_setting_is_one_line(
    refused: Callable[..., str], variable: str, value: str, message: str
) -> None:
    line = refused(**{variable: value})
    assert line.startswith(message)
    assert "pass" not in line


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_ports_in_use_are_in_one_line(
    environment: dict[str, str], refused: Callable[..., str], tmp_path: Path, address: str
) -> None:
    variables = ("GATEWAY_PORT", "SHOP_LEVEL_METRICS_PORT", "REDIS_PORT")
    with ExitStack() as servers:
        for variable in variables:
            servers.enter_context(socket.create_server((address, int(environment[variable]))))
        line = refused()
    assert line.split("; ") == [
        f"port {environment[variable]}: Address already in use: set {variable}"
        for variable in variables
    ]
    assert not (tmp_path / "run" / "valkey").exists()
