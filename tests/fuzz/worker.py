"""One process that makes inputs for one target, sends them and judges the answers."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.fuzz.findings import Finding
from tests.fuzz.grpc_inputs import grpc_input, pipeline_input
from tests.fuzz.http_inputs import http_input, raw_input
from tests.fuzz.inputs import Input
from tests.fuzz.place import Place
from tests.fuzz.record_inputs import record_input
from tests.fuzz.records import Records
from tests.fuzz.targets import Grpc, Http, Pipeline

BATCH = 384
# One in so many batches of requests is of bytes that are perhaps none: their answers take long.
_RAW = 12
MAKERS: Mapping[str, Callable[[Random], Input]] = {
    "http": http_input,
    "grpc": grpc_input,
    "pipeline": pipeline_input,
    "record": record_input,
}
TARGETS: Mapping[str, Callable[[Place], Any]] = {
    "http": Http,
    "grpc": Grpc,
    "pipeline": Pipeline,
    "record": Records,
}
# A busy machine lets a call fail that is well served when it is made again.
_OF_TIME = ("HTTP 503", "HTTP 504", "UNAVAILABLE", "DEADLINE_EXCEEDED", "slow", "below every limit")


class Done(NamedTuple):
    """What became of a batch."""

    target: str
    last: str
    """Which batch it was."""
    inputs: int
    seconds: float
    cpu: float
    """Seconds of this process alone."""
    findings: list[Finding]
    late: int
    """Answers that were too late, and in time when they were asked for again."""


def inputs_of(target: str, seed: int, batch: int, count: int = BATCH) -> list[Input]:
    """The same for the same seed."""
    random = Random(f"{seed}:{target}:{batch}")
    make = raw_input if target == "http" and batch % _RAW == _RAW - 1 else MAKERS[target]
    return [make(random) for _ in range(count)]


def work(
    target: str, place: Place, seed: int, inputs: int, done: "Queue[Done]", over: Event, log: Path
) -> None:
    """The body of the process. Ends after so many inputs, or when it is told that it is over."""
    _write_to(log)
    under_test = TARGETS[target](place)
    batch, left = 0, inputs
    while left > 0 and not over.is_set():
        started, cpu = time.monotonic(), time.process_time()
        given = inputs_of(target, seed, batch, min(BATCH, left))
        name = f"{seed}:{target}:{batch}"
        findings, late = judged(under_test, given, name)
        done.put(
            Done(
                target,
                name,
                len(given),
                time.monotonic() - started,
                time.process_time() - cpu,
                findings,
                late,
            )
        )
        batch, left = batch + 1, left - len(given)


def replay(place: Place, inputs: Sequence[Input], done: "Queue[str | None]", log: Path) -> None:
    """The body of a process that sends these inputs, one after the other."""
    _write_to(log)
    for each in inputs:
        (why,) = TARGETS[each.target](place).wrong_with([each])
        done.put(why)


def _write_to(log: Path) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)


def judged(under_test: Any, given: Sequence[Input], batch: str) -> tuple[list[Finding], int]:
    """What is wrong with the answers, and how many were only late."""
    findings, late = [], 0
    for each, why in zip(given, list(under_test.wrong_with(given)), strict=True):
        if why is None:
            continue
        if any(sign in why for sign in _OF_TIME) and not [
            w for w in under_test.wrong_with([each]) if w
        ]:
            late += 1
            continue
        findings.append(Finding("a right answer", why, each, batch))
    return findings, late
