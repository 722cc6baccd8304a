"""A run: a worker for each target, and what is watched while they work."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait

from tests.fuzz.bystander import Bystander
from tests.fuzz.findings import Finding
from tests.fuzz.logs import Logs
from tests.fuzz.memory import Memory, processes_below
from tests.fuzz.place import Place
from tests.fuzz.sweep import Sweep
from tests.fuzz.worker import Batch, Done, Worker, batches
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
    files = sorted(folder.glob("*.log"))
    suite = processes_below(os.getpid())
    whole = sum(SHARES[target] for target in targets)
    with ExitStack() as opened:
        sweep = opened.enter_context(closing(Sweep(place.redis, stack.store, bystander.kept)))
        work: dict[Worker, Iterator[Batch]] = {}
        for target in targets:
            log = folder / f"fuzz-{target}.log"
            worker = opened.enter_context(closing(Worker(target, place, log)))
            work[worker] = batches(seed, target, max(1, round(inputs * SHARES[target] / whole)))
            # An unreadable record is a fault of the service, so its worker logs at error level.
            if target != "record":
                files.append(log)
        pids = {each.target: each.pid for each in work if each.target in _WITH_SERVICES}
        memory = opened.enter_context(closing(Memory(suite, pids, place.redis)))
        run = Run(bystander, Logs(files), memory, sweep)
        run.until_done(work, seconds=seconds, inputs=inputs)
    return run.result


class Run:
    """Watches everything except the answers, which the workers judge."""

    def __init__(self, bystander: Bystander, logs: Logs, memory: Memory, sweep: Sweep) -> None:
        self._bystander, self._logs, self._memory, self._sweep = bystander, logs, memory, sweep
        self.result = Result()
        self._last_batches: dict[str, Batch] = {}

    def until_done(
        self, work: dict[Worker, Iterator[Batch]], *, seconds: float, inputs: int
    ) -> None:
        started = swept = looked = time.monotonic()
        self._bystander.start()
        busy = {worker.pipe: worker for worker in work if self._go_on(worker, work[worker])}
        while busy:
            ready = wait(list(busy), _LOOK_SECONDS)
            now = time.monotonic()
            for worker in [busy[pipe] for pipe in busy if pipe in ready]:
                is_over = not self._take(worker) or now - started > seconds
                if is_over or not self._go_on(worker, work[worker]):
                    del busy[worker.pipe]
            if now - looked < _LOOK_SECONDS:
                continue
            looked = now
            progress = max((now - started) / seconds, self.result.inputs.total() / inputs)
            is_time_to_sweep = now - swept > _SWEEP_SECONDS
            if is_time_to_sweep:
                swept = now
                self._sweep()
            self._look(is_warm=is_time_to_sweep and progress > _WARM_SHARE)
        self.result.seconds = time.monotonic() - started
        self._bystander.stop()
        self._sweep()
        self._look(is_warm=True)
        self.result.bystander = self._bystander.summary()
        self.result.memory = self._memory.summary()

    def _go_on(self, worker: Worker, batches: Iterator[Batch]) -> bool:
        """Gives the worker its next batch; false if there is none."""
        batch = next(batches, None)
        if batch is not None:
            self._last_batches[worker.target] = batch
            worker.pipe.send(batch)
        return batch is not None

    def _take(self, worker: Worker) -> bool:
        """Takes the result of a batch; false if the worker has ended."""
        try:
            done: Done = worker.pipe.recv()
        except (EOFError, OSError):
            self.result.add([Finding("no worker ends", worker.target)])
            return False
        self.result.inputs[worker.target] += done.batch.count
        self.result.late += done.late
        self.result.add(done.findings)
        return True

    def _look(self, *, is_warm: bool) -> None:
        self._memory.look(is_warm=is_warm)
        near = " ".join(map(str, self._last_batches.values()))
        found = [*self._bystander.findings(), *self._logs.findings(), *self._memory.findings()]
        self.result.add([replace(each, batch=f"near {near}") for each in found])
