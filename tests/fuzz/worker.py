"""A process that makes inputs for one target, sends them and judges the answers."""

import os
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
# One HTTP batch in this many consists of raw bytes, whose answers take longer.
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
# On a busy machine a call may fail in these ways and be answered well when it is made again.
_OF_TIME = (
    "HTTP 503",
    "HTTP 504",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "slow",
    "below every limit",
)


class Done(NamedTuple):
    """The result of a batch."""

    target: str
    name: str
    inputs: int
    findings: list[Finding]
    late: int
    """Answers that were too late, and in time when the input was sent again."""


def inputs_of(target: str, seed: int, batch: int, count: int = BATCH) -> list[Input]:
    """The same inputs for the same seed and batch."""
    random = Random(f"{seed}:{target}:{batch}")
    make = raw_input if target == "http" and batch % _RAW == _RAW - 1 else MAKERS[target]
    return [make(random) for _ in range(count)]


def work(
    target: str, place: Place, seed: int, inputs: int, done: "Queue[Done]", over: Event, log: Path
) -> None:
    """The body of the process. It ends after its share of the inputs, or when `over` is set."""
    _write_to(log)
    under_test = TARGETS[target](place)
    for batch, sent in enumerate(range(0, inputs, BATCH)):
        if over.is_set():
            return
        given = inputs_of(target, seed, batch, min(BATCH, inputs - sent))
        name = f"{seed}:{target}:{batch}"
        findings, late = _judged(under_test, given, name)
        done.put(Done(target, name, len(given), findings, late))


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


def _judged(under_test: Any, given: Sequence[Input], batch: str) -> tuple[list[Finding], int]:
    """The findings, and how many answers were only late."""
    findings, late = [], 0
    for each, why in zip(given, list(under_test.wrong_with(given)), strict=True):
        if why is None:
            continue
        if any(sign in why for sign in _OF_TIME) and not any(under_test.wrong_with([each])):
            late += 1
        else:
            findings.append(Finding("a right answer", why, each, batch))
    return findings, late
