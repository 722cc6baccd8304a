"""A process that makes inputs for one target, sends them and judges the answers."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
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

_BATCH = 384
# One HTTP batch in this many consists of raw bytes, whose answers take longer.
_RAW = 12
MAKERS: Mapping[str, Callable[[Random], Input]] = {
    "http": http_input,
    "grpc": grpc_input,
    "pipeline": pipeline_input,
    "record": record_input,
}
_TARGETS: Mapping[str, Callable[[Place], Any]] = {
    "http": Http,
    "grpc": Grpc,
    "pipeline": Pipeline,
    "record": Records,
}
# On a busy machine a call may fail in these ways and be answered well when it is made again.
_OF_TIME = (
    *("HTTP 503", "HTTP 504", "UNAVAILABLE", "DEADLINE_EXCEEDED"),
    *("slow", "below every limit"),
)


@dataclass(frozen=True)
class Batch:
    """Names the inputs that a worker makes: the same ones for the same seed and number."""

    seed: int
    target: str
    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.seed}:{self.target}:{self.number}"

    def inputs(self) -> list[Input]:
        random = Random(str(self))
        is_raw = self.target == "http" and self.number % _RAW == _RAW - 1
        make = raw_input if is_raw else MAKERS[self.target]
        return [make(random) for _ in range(self.count)]


class Done(NamedTuple):
    """The result of a batch."""

    batch: Batch
    findings: list[Finding]
    late: int
    """Answers that were too late, and in time when the input was sent again."""


def batches(seed: int, target: str, inputs: int) -> Iterator[Batch]:
    for number, sent in enumerate(range(0, inputs, _BATCH)):
        yield Batch(seed, target, number, min(_BATCH, inputs - sent))


class Worker:
    """The process, and the pipe to it. It answers what it receives, in order."""

    def __init__(self, target: str, place: Place, log: Path) -> None:
        self.target = target
        spawn = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_work, args=(target, place, theirs, log), daemon=True)
        self._process.start()
        # The process has its own copy. When that is closed, reading ends.
        theirs.close()
        self.pid = self._process.pid or 0

    def close(self) -> None:
        self.pipe.close()
        self._process.join(30)
        if self._process.is_alive():
            self._process.kill()

    def replay(self, given: Input) -> str | None:
        """Sends an old input; returns what is wrong with the answer."""
        self.pipe.send(given)
        if not self.pipe.poll(60):
            raise TimeoutError(f"no answer to {given}")
        why: str | None = self.pipe.recv()
        return why


def _work(target: str, place: Place, pipe: Connection, log: Path) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    under_test = _TARGETS[target](place)
    while True:
        try:
            given: Batch | Input = pipe.recv()
        except EOFError:
            return
        if isinstance(given, Batch):
            pipe.send(_judged(under_test, given, given.inputs()))
        else:
            pipe.send(next(iter(under_test.wrong_with([given]))))


def _judged(under_test: Any, batch: Batch, given: Sequence[Input]) -> Done:
    findings, late = [], 0
    for each, why in zip(given, list(under_test.wrong_with(given)), strict=True):
        if why is None:
            continue
        if any(sign in why for sign in _OF_TIME) and not any(under_test.wrong_with([each])):
            late += 1
        else:
            findings.append(Finding("a right answer", why, each, str(batch)))
    return Done(batch, findings, late)
