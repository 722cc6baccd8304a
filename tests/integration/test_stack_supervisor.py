"""The supervisor over stand-in parts: what starts, what stops, in which order, and who is named."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from operations.local_stack.supervisor import BURST_SECONDS
from tests.stack import drive
from tests.stack.waiting import alive, until

LINUX = sys.platform == "linux"
STACK = ("store", "upbot,member,shop", "gateway")


class Run:
    """A supervisor in a process of its own."""

    def __init__(self, directory: Path, start: float, stop: float, *stages: str) -> None:
        self.directory = directory
        self.out = directory / "out"
        self.err = directory / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    drive.__name__,
                    str(directory),
                    f"{start}",
                    f"{stop}",
                    *stages,
                ],
                stdout=out,
                stderr=err,
            )

    @property
    def journal(self) -> list[str]:
        path = self.directory / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def pids(self) -> dict[str, int]:
        words = [line.split() for line in self.journal if line.startswith("process ")]
        return {name: int(pid) for _, pid, name in words}

    def wait_open(self) -> None:
        until(lambda: "open\n" in self.out.read_text(), "all parts healthy")

    def wait_noted(self, line: str) -> None:
        until(lambda: line in self.journal, line)

    def exit_code(self) -> int:
        return self.process.wait(15)

    def stops(self) -> list[str]:
        return [line for line in self.journal if line.startswith("stop")]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
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


@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_stage_by_stage_in_reverse(
    start: Callable[..., Run], wish: signal.Signals
) -> None:
    run = start()
    run.wait_open()
    run.process.send_signal(wish)
    assert run.exit_code() == 0
    stops = run.stops()
    assert stops[:2] == ["stopping gateway", "stopped gateway"]
    # The services drain side by side, each to its end, before the store is told.
    services = ["upbot", "member", "shop"]
    assert sorted(stops[2:8]) == sorted(
        f"{w} {s}" for w in ("stopping", "stopped") for s in services
    )
    assert stops[8:] == ["stopping store", "stopped store"]
    assert run.err.read_text() == ""
    out = run.out.read_text()
    assert out.index("closed\n") < out.index("stopping gateway")


def test_a_stage_starts_when_the_one_before_is_healthy(start: Callable[..., Run]) -> None:
    run = start("store:unhealthy", "service", start=0.5)
    assert run.exit_code() == 1
    assert "process" not in [line.split()[0] for line in run.journal if line.endswith(" service")]
    first, *rest = run.err.read_text().splitlines()
    assert "store was not healthy within 0.5 s (not in the journal)" in first
    assert rest == ["    hello from store"]
    assert run.stops() == ["stopping store", "stopped store"]


def test_a_crash_is_named_and_ends_the_rest_in_order(start: Callable[..., Run]) -> None:
    run = start()
    run.wait_open()
    os.kill(run.pids()["member"], signal.SIGUSR1)
    assert run.exit_code() == 1
    first, *rest = run.err.read_text().splitlines()
    assert "stack   | member ended with exit code 3; the last lines of" in first
    assert first.endswith("member.log:")
    assert rest == ["    hello from member", r"    cannot go on: \x1b[2Jthe reason"]
    stops = run.stops()
    assert stops[:2] == ["stopping gateway", "stopped gateway"]
    assert stops[-2:] == ["stopping store", "stopped store"]
    assert "stopping member" not in stops


def test_a_killed_part_is_named_with_its_signal(start: Callable[..., Run]) -> None:
    run = start("store", "service")
    run.wait_open()
    os.kill(run.pids()["store"], signal.SIGKILL)
    assert run.exit_code() == 1
    assert "store was ended by SIGKILL; the last lines of" in run.err.read_text()


def test_a_crash_before_health_is_named_as_such(start: Callable[..., Run]) -> None:
    run = start("store", "service:crash")
    assert run.exit_code() == 1
    assert "service ended with exit code 3" in run.err.read_text()
    assert run.stops() == ["stopping store", "stopped store"]


def test_what_a_dead_part_leaves_behind_is_ended(start: Callable[..., Run], tmp_path: Path) -> None:
    run = start("gateway:parent")
    run.wait_open()
    grandchild = int((tmp_path / "journal.grandchild").read_text())
    os.kill(run.pids()["gateway"], signal.SIGKILL)
    assert run.exit_code() == 1
    until(lambda: not alive(grandchild), "the grandchild's end")


def test_a_part_that_does_not_drain_is_killed_and_named(start: Callable[..., Run]) -> None:
    run = start("store", "service:stubborn", stop=0.5)
    run.wait_open()
    run.process.terminate()
    assert run.exit_code() == 1
    [line] = run.err.read_text().splitlines()
    assert "service did not stop within 0.5 s: killed" in line
    assert run.stops() == ["stopping store", "stopped store"]


def test_a_second_signal_ends_all_at_once(start: Callable[..., Run]) -> None:
    run = start("store:stubborn", "service:stubborn", "gateway:stubborn")
    run.wait_open()
    run.process.send_signal(signal.SIGINT)
    until(lambda: "stopping gateway" in run.out.read_text(), "the stop")

    asked = time.monotonic()
    until(lambda: time.monotonic() > asked + BURST_SECONDS, "a time when it is not the same wish")
    run.process.send_signal(signal.SIGINT)
    assert run.exit_code() == 1
    # The kernel may still be clearing up what was killed on a busy machine.
    until(lambda: not any(alive(pid) for pid in run.pids().values()), "the end of all")
    assert run.err.read_text() == ""


def test_one_wish_that_arrives_twice_still_drains(start: Callable[..., Run]) -> None:
    run = start("store", "gateway")
    run.wait_open()
    # `timeout make run` does this: to make, which passes it on, and to the group.
    run.process.send_signal(signal.SIGTERM)
    run.process.send_signal(signal.SIGINT)
    assert run.exit_code() == 0
    assert run.stops()[-1] == "stopped store"


def test_a_signal_during_the_start_stops_what_was_started(start: Callable[..., Run]) -> None:
    run = start("store", "service:unhealthy", "gateway")
    until(lambda: "service" in run.pids(), "the service's start")
    run.process.send_signal(signal.SIGINT)
    assert run.exit_code() == 0
    assert run.stops() == [
        *("stopping service", "stopped service"),
        *("stopping store", "stopped store"),
    ]


def test_a_foreground_that_nobody_reads_stalls_nothing(tmp_path: Path) -> None:
    arguments = [str(tmp_path), "15", "15", "store:chatter"]
    with subprocess.Popen(
        [sys.executable, "-m", drive.__name__, *arguments], stdout=subprocess.PIPE
    ) as process:
        journal = tmp_path / "journal"
        until(lambda: journal.exists() and "healthy" in journal.read_text(), "health")
        process.terminate()
        assert process.wait(15) == 0
    assert journal.read_text().endswith("stopped store\n")
    assert (tmp_path / "store.log").read_bytes().count(b"much to say\n") == 200_000


@pytest.mark.skipif(not LINUX, reason="PR_SET_PDEATHSIG is Linux's")
def test_parts_do_not_outlive_a_killed_stack(start: Callable[..., Run]) -> None:
    run = start("store", "service")
    run.wait_open()
    run.process.kill()
    until(lambda: not any(alive(pid) for pid in run.pids().values()), "the parts' end")
    assert {"stopped store", "stopped service"} <= set(run.journal)


def test_the_former_log_survives_one_more_start(start: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "store.log").write_text("from the former run\n")
    run = start("store")
    run.wait_open()
    run.process.terminate()
    assert run.exit_code() == 0
    assert (tmp_path / "store.previous.log").read_text() == "from the former run\n"
    assert (tmp_path / "store.log").read_text() == "hello from store\n"
