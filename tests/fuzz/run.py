"""A run: a worker for each target, and what is watched while they work."""

import multiprocessing
import os
import queue
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.fuzz.bystander import Bystander
from tests.fuzz.findings import Finding
from tests.fuzz.logs import Logs
from tests.fuzz.memory import Memory, processes_below
from tests.fuzz.place import Place
from tests.fuzz.stack import log_files
from tests.fuzz.sweep import Sweep
from tests.fuzz.worker import Done, work
from tests.support.running import RunningStack

# The share of each target in all inputs.
SHARES = {"http": 0.2, "grpc": 0.25, "pipeline": 0.5, "record": 0.05}
# The workers of these targets run the code of the services, so their memory is watched, too.
_WITH_SERVICES = {"pipeline", "record"}
_LOOK_SECONDS, _SWEEP_SECONDS = 0.5, 10.0
_WARM_SHARE = 0.3


@dataclass
class Result:
    """The counts and the findings of a run."""

    seconds: float = 0.0
    inputs: Counter[str] = field(default_factory=Counter)
    late: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)
    """The first one of each signature."""
    times: Counter[str] = field(default_factory=Counter)
    bystander: str = ""
    memory: str = ""

    def add(self, findings: Sequence[Finding]) -> None:
        for each in findings:
            self.findings.setdefault(each.signature, each)
            self.times[each.signature] += 1


def fuzz(
    stack: RunningStack,
    place: Place,
    *,
    seconds: float,
    inputs: int,
    seed: int,
    targets: Sequence[str] = tuple(SHARES),
) -> Result:
    """Sends inputs until the time is over or all are sent."""
    bystander = Bystander(place, stack.store)
    folder = stack.directory / "logs"
    # An unreadable record is a fault of the service, so its worker logs at error level.
    logs = [folder / f"fuzz-{target}.log" for target in targets if target != "record"]
    suite = processes_below(os.getpid())
    with (
        closing(Sweep(place.redis, stack.store, bystander.kept)) as sweep,
        _workers(place, seed, inputs, folder, targets) as (workers, done, over),
    ):
        pids = {name: workers[name].pid or 0 for name in workers if name in _WITH_SERVICES}
        with closing(Memory(suite, pids, place.redis)) as memory:
            run = Run(bystander, Logs([*log_files(stack), *logs]), memory, sweep)
            run.until_done(workers, done, over, seconds=seconds, inputs=inputs)
    return run.result


class Run:
    """Watches everything except the answers, which the workers judge."""

    def __init__(self, bystander: Bystander, logs: Logs, memory: Memory, sweep: Sweep) -> None:
        self._bystander, self._logs, self._memory, self._sweep = bystander, logs, memory, sweep
        self.result = Result()
        self._last_batches: dict[str, str] = {}

    def until_done(
        self,
        workers: dict[str, BaseProcess],
        done: Any,
        over: Any,
        *,
        seconds: float,
        inputs: int,
    ) -> None:
        started = swept = time.monotonic()
        self._bystander.start()
        while any(worker.is_alive() for worker in workers.values()) or not done.empty():
            self._take(done)
            now = time.monotonic()
            progress = max((now - started) / seconds, self.result.inputs.total() / inputs)
            is_time_to_sweep = now - swept > _SWEEP_SECONDS
            if is_time_to_sweep:
                swept = now
                self._sweep()
            self._look(is_warm=is_time_to_sweep and progress > _WARM_SHARE)
            if now - started > seconds:
                over.set()
        self.result.seconds = time.monotonic() - started
        self._bystander.stop()
        self._sweep()
        self._look(is_warm=True)
        for target, worker in workers.items():
            if worker.exitcode != 0:
                what = f"{target}: exit code {worker.exitcode}"
                self.result.add([Finding("no worker ends", what)])
        self.result.bystander = self._bystander.summary()
        self.result.memory = self._memory.summary()

    def _take(self, done: Any) -> None:
        """Takes what the workers have done, waiting a moment for the first of it."""
        try:
            batch: Done = done.get(timeout=_LOOK_SECONDS)
            while True:
                self.result.inputs[batch.target] += batch.inputs
                self.result.late += batch.late
                self.result.add(batch.findings)
                self._last_batches[batch.target] = batch.name
                batch = done.get_nowait()
        except queue.Empty:
            return

    def _look(self, *, is_warm: bool) -> None:
        self._memory.look(is_warm=is_warm)
        near = " ".join(self._last_batches.values())
        found = [*self._bystander.findings(), *self._logs.findings(), *self._memory.findings()]
        self.result.add([replace(each, batch=f"near {near}") for each in found])


@contextmanager
def _workers(
    place: Place, seed: int, inputs: int, logs: Path, targets: Sequence[str]
) -> Iterator[tuple[dict[str, BaseProcess], Any, Any]]:
    """A process for each target, which sends its share of the inputs."""
    spawn = multiprocessing.get_context("spawn")
    done, over = spawn.Queue(), spawn.Event()
    whole = sum(SHARES[target] for target in targets)
    workers: dict[str, BaseProcess] = {}
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
