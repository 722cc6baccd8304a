"""The run: a suite, its workers, and what is looked at while they work."""

import multiprocessing
import queue
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.fuzz.bystander import Bystander
from tests.fuzz.findings import Finding
from tests.fuzz.logs import Logs
from tests.fuzz.memory import Memory
from tests.fuzz.place import Place
from tests.fuzz.sweep import Sweep
from tests.fuzz.worker import Done, work

# Of all inputs; what a target takes of the time is another matter.
SHARES = {"http": 0.2, "grpc": 0.25, "pipeline": 0.5, "record": 0.05}
# Targets whose workers have the services' code in them, so that it is looked at what they hold.
INSIDE = {"pipeline", "record"}
_LOOK_SECONDS, _SWEEP_SECONDS = 0.5, 10.0
_WARM_SHARE = 0.3


@dataclass
class Result:
    """What a run came to."""

    seconds: float = 0.0
    inputs: Counter[str] = field(default_factory=Counter)
    busy: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    suite_cpu: dict[str, float] = field(default_factory=dict)
    late: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)
    """The first of each kind, by its signature."""
    times: Counter[str] = field(default_factory=Counter)
    bystander: str = ""
    memory: str = ""

    def add(self, findings: Sequence[Finding]) -> None:
        for each in findings:
            self.findings.setdefault(each.signature, each)
            self.times[each.signature] += 1


class Run:
    """Looks at everything but the answers, which the workers judge."""

    def __init__(self, bystander: Bystander, logs: Logs, memory: Memory, sweep: Sweep) -> None:
        self._bystander, self._logs, self._memory, self._sweep = bystander, logs, memory, sweep
        self.result = Result()
        self._last_batches: dict[str, str] = {}

    def until_done(
        self, workers: Mapping[str, Any], done: Any, over: Any, *, seconds: float, inputs: int
    ) -> None:
        started = swept = looked = time.monotonic()
        cpu = self._memory.cpu_seconds()
        self._bystander.start()
        while any(worker.is_alive() for worker in workers.values()) or not done.empty():
            self._take(done)
            now = time.monotonic()
            progress = max((now - started) / seconds, self.result.inputs.total() / inputs)
            if now - looked > _LOOK_SECONDS:
                looked = now
                self._look(is_warm=False)
            if now - swept > _SWEEP_SECONDS:
                swept = now
                self._sweep()
                self._look(is_warm=progress > _WARM_SHARE)
            if now - started > seconds:
                over.set()
        self.result.seconds = time.monotonic() - started
        after = self._memory.cpu_seconds()
        self.result.suite_cpu = {name: after[name] - before for name, before in cpu.items()}
        self._bystander.stop()
        self._sweep()
        self._look(is_warm=True)
        for target, worker in workers.items():
            if worker.exitcode != 0:
                self.result.add(
                    [Finding("no worker ends", f"{target}: exit code {worker.exitcode}")]
                )
        self.result.bystander = (
            f"{self._bystander.calls:,} calls, the slowest {self._bystander.slowest:.2f} s"
        )
        self.result.memory = self._memory.summary()

    def _take(self, done: Any) -> None:
        try:
            batch: Done = done.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return
        self.result.inputs[batch.target] += batch.inputs
        for kept, seconds in ((self.result.busy, batch.seconds), (self.result.cpu, batch.cpu)):
            kept[batch.target] = kept.get(batch.target, 0.0) + seconds
        self.result.late += batch.late
        self.result.add(batch.findings)
        self._last_batches[batch.target] = batch.last

    def _look(self, *, is_warm: bool) -> None:
        self._memory.look(is_warm=is_warm)
        near = " ".join(self._last_batches.values())
        found = [*self._bystander.findings(), *self._logs.findings(), *self._memory.findings()]
        self.result.add([replace(each, batch=f"near {near}") for each in found])


@contextmanager
def workers_for(
    place: Place, seed: int, inputs: int, logs: Path, targets: Sequence[str] = tuple(SHARES)
) -> Iterator[tuple[dict[str, Any], Any, Any]]:
    """A process for each target, which has its share of the inputs."""
    spawn = multiprocessing.get_context("spawn")
    done, over = spawn.Queue(), spawn.Event()
    whole = sum(SHARES[target] for target in targets)
    workers = {}
    for target in targets:
        share = max(1, round(inputs * SHARES[target] / whole))
        arguments = (target, place, seed, share, done, over, logs / f"fuzz-{target}.log")
        workers[target] = spawn.Process(target=work, args=arguments, daemon=True)
        workers[target].start()
    try:
        yield workers, done, over
    finally:
        over.set()
        for worker in workers.values():
            worker.join(30)
            if worker.is_alive():
                worker.kill()
