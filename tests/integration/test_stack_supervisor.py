"""The supervisor with stand-ins that crash, hang and ignore signals.

What the real components show is in test_stack.py.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.local_stack import supervisor as module
from operations.local_stack.components import Component, NotReadyError
from operations.local_stack.preflight import StackError
from operations.local_stack.supervisor import Supervisor
from tests.stack import stand_in
from tests.stack.waiting import alive, until

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Puts the handlers back that the supervisor replaces."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class StandIns:
    """Starts stand-ins, and reads what they have noted."""

    def __init__(self, directory: Path) -> None:
        self.logs, self.file = directory / "logs", directory / "journal"
        self.file.touch()

    @property
    def journal(self) -> list[str]:
        return self.file.read_text().splitlines()

    @property
    def stopped(self) -> list[str]:
        stops = [line.split() for line in self.journal if line.startswith("stop")]
        # Each has stopped before the next one is stopped.
        assert [what for what, _ in stops] == ["stopping", "stopped"] * (len(stops) // 2)
        return [name for what, name in stops if what == "stopped"]

    def pid(self, name: str) -> int:
        [line] = [line for line in self.journal if line.startswith("process ")]
        assert line.endswith(name)
        return int(line.split()[1])

    def start(self, supervisor: Supervisor, name: str, *behaviours: str) -> None:
        """Returns when it is ready."""
        script = str(stand_in.__file__)
        command = (sys.executable, "-I", "-S", script, name, str(self.file), *behaviours)
        supervisor.start(Component(name, command, os.environ))

        def check() -> None:
            if f"ready {name}" not in self.journal:
                raise NotReadyError(f"{name} is not ready")

        supervisor.until_ready(check)


@pytest.fixture
def stand_ins(tmp_path: Path) -> StandIns:
    return StandIns(tmp_path)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_the_components_in_reverse(
    stand_ins: StandIns, number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    with Supervisor(stand_ins.logs) as supervisor:
        for name in ("store", "service", "gateway"):
            stand_ins.start(supervisor, name)
        # `timeout make run` sends the signal twice: to make, which passes it on, and to the group.
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        supervisor.wait()
        raise AssertionError("it did not notice the signal")
    assert stand_ins.stopped == ["gateway", "service", "store"]
    out, errors = capfd.readouterr()
    assert out.startswith("stack        | started store (process ")
    assert "\nservice      | hello from service\n" in out
    assert out.endswith("\nstack        | all components have stopped\n")
    assert errors == ""


def test_with_nohup_the_stack_outlives_its_terminal(stand_ins: StandIns) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Supervisor(stand_ins.logs):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_signal_during_the_start_stops_what_was_started(stand_ins: StandIns) -> None:
    def check() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        raise NotReadyError

    with Supervisor(stand_ins.logs) as supervisor:
        stand_ins.start(supervisor, "store")
        supervisor.until_ready(check)
    assert stand_ins.stopped == ["store"]


def test_a_stack_that_is_not_ready_in_time_is_stopped(stand_ins: StandIns) -> None:
    def check() -> None:
        raise NotReadyError("it is not healthy: why")

    def run() -> None:
        with Supervisor(stand_ins.logs) as supervisor:
            stand_ins.start(supervisor, "store")
            supervisor.until_ready(check, 0.1)

    with pytest.raises(StackError, match="it is not healthy: why"):
        run()
    assert stand_ins.stopped == ["store"]


def test_a_crash_is_reported_after_its_reason_and_stops_the_rest(
    stand_ins: StandIns, capfd: pytest.CaptureFixture[str]
) -> None:
    def run() -> None:
        with Supervisor(stand_ins.logs) as supervisor:
            stand_ins.start(supervisor, "store")
            stand_ins.start(supervisor, "service", "crash")

    with pytest.raises(StackError) as raised:
        run()
    log = stand_ins.logs / "service.log"
    assert str(raised.value) == f"service ended with exit code 3; its log is {log}"
    reason = r"service      | cannot go on: \x1b[2Jthe caf\xe9" + "\tis closed\n"
    assert reason in capfd.readouterr().out
    assert stand_ins.stopped == ["store"]


def test_children_of_a_killed_component_are_ended(stand_ins: StandIns) -> None:
    def run() -> None:
        with Supervisor(stand_ins.logs) as supervisor:
            stand_ins.start(supervisor, "gateway", "parent")
            os.kill(stand_ins.pid("gateway"), signal.SIGKILL)
            while True:
                supervisor.wait()

    with pytest.raises(StackError, match="gateway ended with SIGKILL"):
        run()
    grandchild = int(stand_ins.file.with_suffix(".grandchild").read_text())
    until(lambda: not alive(grandchild), "the grandchild has ended")


def test_a_component_that_does_not_stop_is_killed(
    stand_ins: StandIns, capfd: pytest.CaptureFixture[str]
) -> None:
    with Supervisor(stand_ins.logs, stop_seconds=0.2) as supervisor:
        stand_ins.start(supervisor, "service", "stubborn")
    assert "service did not stop within 0.2 s and is killed" in capfd.readouterr().out
    until(lambda: not alive(stand_ins.pid("service")), "it has ended")


def test_a_terminal_that_is_not_read_blocks_nothing(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(module, "STDOUT", writing)
    with Supervisor(stand_ins.logs) as supervisor:
        stand_ins.start(supervisor, "store", "chatter")
        supervisor.wait()
    os.close(writing)
    os.close(reading)
    assert stand_ins.stopped == ["store"]
    assert (stand_ins.logs / "store.log").read_bytes().count(b"much to say\n") == 200_000
