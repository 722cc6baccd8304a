"""The supervisor with stand-ins that crash, hang and ignore signals.

What the real components show is in test_stack.py.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.stack import drive
from tests.stack.waiting import alive, until

STACK = ("store", "upbot,member,shop", "gateway")


class Run:
    """A supervisor in a separate process."""

    def __init__(self, directory: Path, start: float, stop: float, *stages: str) -> None:
        self.directory = directory
        self.out, self.err = directory / "out", directory / "err"
        arguments = [str(directory), str(start), str(stop), *stages]
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", drive.__name__, *arguments], stdout=out, stderr=err
            )

    @property
    def journal(self) -> list[str]:
        path = self.directory / "journal"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def stops(self) -> list[str]:
        return [line for line in self.journal if line.startswith("stop")]

    def pids(self) -> dict[str, int]:
        words = [line.split() for line in self.journal if line.startswith("process ")]
        return {name: int(pid) for _, pid, name in words}

    def wait_until_serving(self) -> None:
        until(lambda: "serving\n" in self.out.read_text(), "all components are healthy")

    def exit_code(self) -> int:
        return self.process.wait(15)


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def begin(*stages: str, start: float = 15, stop: float = 15) -> Run:
        runs.append(Run(tmp_path, start, stop, *(stages or STACK)))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
        for pid in run.pids().values():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_stage_by_stage_in_reverse(start: Start, number: signal.Signals) -> None:
    run = start()
    run.wait_until_serving()
    run.process.send_signal(number)
    # `timeout make run` sends the signal twice: to make, which passes it on, and to the group.
    run.process.send_signal(number)
    assert run.exit_code() == 0
    assert run.stops[:2] == ["stopping gateway", "stopped gateway"]
    # The services stop at the same time, and all have stopped before the store is stopped.
    services = ["upbot", "member", "shop"]
    expected = [f"{what} {name}" for what in ("stopping", "stopped") for name in services]
    assert sorted(run.stops[2:8]) == sorted(expected)
    assert run.stops[8:] == ["stopping store", "stopped store"]
    assert run.err.read_text() == ""
    out = run.out.read_text()
    assert out.index("not serving\n") < out.index("stopping gateway")


def test_a_signal_during_the_start_stops_what_was_started(start: Start) -> None:
    run = start("store", "service:unhealthy", "gateway")
    until(lambda: "service" in run.pids(), "the service has started")
    run.process.send_signal(signal.SIGINT)
    assert run.exit_code() == 0
    assert run.stops == [
        *("stopping service", "stopped service"),
        *("stopping store", "stopped store"),
    ]


def test_a_stage_starts_only_when_the_one_before_is_healthy(start: Start) -> None:
    run = start("store:unhealthy", "service", start=0.5)
    assert run.exit_code() == 1
    assert "service" not in run.pids()
    first, *rest = run.err.read_text().splitlines()
    assert "store is not healthy after 0.5 s (not in the journal)" in first
    assert rest == ["    hello from store"]
    assert run.stops == ["stopping store", "stopped store"]


def test_a_crash_is_reported_with_the_last_log_lines_and_stops_the_rest(start: Start) -> None:
    run = start("store", "service:crash")
    assert run.exit_code() == 1
    first, *rest = run.err.read_text().splitlines()
    assert first.startswith("stack        | service ended with exit code 3; the end of")
    assert first.endswith("service.log:")
    assert rest == ["    hello from service", r"    cannot go on: \x1b[2Jthe reason"]
    assert run.stops == ["stopping store", "stopped store"]
    assert r"service      | cannot go on: \x1b[2Jthe reason" in run.out.read_text()


def test_children_of_a_killed_component_are_ended(start: Start, tmp_path: Path) -> None:
    run = start("gateway:parent")
    run.wait_until_serving()
    grandchild = int((tmp_path / "journal.grandchild").read_text())
    os.kill(run.pids()["gateway"], signal.SIGKILL)
    assert run.exit_code() == 1
    assert "gateway ended with SIGKILL" in run.err.read_text()
    until(lambda: not alive(grandchild), "the grandchild has ended")


def test_a_component_that_does_not_stop_is_killed_and_reported(start: Start) -> None:
    run = start("store", "service:stubborn", stop=0.5)
    run.wait_until_serving()
    run.process.terminate()
    assert run.exit_code() == 1
    assert "service did not stop within 0.5 s and was killed" in run.err.read_text()
    assert run.stops == ["stopping store", "stopped store"]


def test_a_terminal_that_is_not_read_blocks_nothing(tmp_path: Path) -> None:
    arguments = [str(tmp_path), "15", "15", "store:chatter"]
    with subprocess.Popen(
        [sys.executable, "-m", drive.__name__, *arguments], stdout=subprocess.PIPE
    ) as process:
        journal = tmp_path / "journal"
        until(lambda: journal.exists() and "healthy" in journal.read_text(), "it is healthy")
        process.terminate()
        assert process.wait(15) == 0
    assert journal.read_text().endswith("stopped store\n")
    assert (tmp_path / "store.log").read_bytes().count(b"much to say\n") == 200_000


def test_the_previous_log_is_kept_for_one_more_run(start: Start, tmp_path: Path) -> None:
    (tmp_path / "store.log").write_text("from the previous run\n")
    run = start("store")
    run.wait_until_serving()
    run.process.terminate()
    assert run.exit_code() == 0
    assert (tmp_path / "store.previous.log").read_text() == "from the previous run\n"
    assert (tmp_path / "store.log").read_text() == "hello from store\n"
