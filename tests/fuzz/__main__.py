"""`make fuzz`: many wrong inputs, and what must hold meanwhile."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from services.store.store import Store
from tests.fuzz import corpus
from tests.fuzz.bystander import Bystander
from tests.fuzz.logs import Logs
from tests.fuzz.memory import Memory, processes_below
from tests.fuzz.place import Place
from tests.fuzz.run import INSIDE, SHARES, Result, Run, workers_for
from tests.fuzz.stack import fuzzed_stack, log_files
from tests.fuzz.sweep import Sweep
from tests.support.running import RunningStack


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="after which no input is begun")
    parser.add_argument("--inputs", type=int, default=10**9, help="after which no input is begun")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--targets", nargs="+", choices=tuple(SHARES), default=tuple(SHARES))
    parser.add_argument("--keep", type=Path, help="folder for logs and data; else they are removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        with fuzzed_stack(directory) as (stack, place):
            result = fuzz(
                stack, place, options.seconds, options.inputs, options.seed, options.targets
            )
    return _report(result, options.seed)


def fuzz(
    stack: RunningStack,
    place: Place,
    seconds: float,
    inputs: int,
    seed: int,
    targets: tuple[str, ...],
) -> Result:
    """Runs the workers against a suite, and looks at everything that must hold meanwhile."""
    store: Store = stack.store
    logs = stack.directory / "logs"
    bystander = Bystander(place, store)
    sweep = Sweep(place.redis, store, bystander.kept)
    watched = Logs(
        [
            *log_files(stack),
            *(logs / f"fuzz-{target}.log" for target in targets if target != "record"),
        ]
    )
    suite = processes_below(os.getpid())
    with workers_for(place, seed, inputs, logs, targets) as (workers, done, over):
        pids = {name: worker.pid for name, worker in workers.items() if name in INSIDE}
        run = Run(bystander, watched, Memory(suite, pids, place.redis), sweep)
        run.until_done(workers, done, over, seconds=seconds, inputs=inputs)
    return run.result


def _report(result: Result, seed: int) -> int:
    total = result.inputs.total()
    rate = total / result.seconds
    print(f"seed {seed}: {total:,} inputs in {result.seconds:.0f} s, {rate:,.0f} a second")
    for target, count in result.inputs.items():
        print(
            f"  {target}: {count:,} inputs, {count / max(result.busy[target], 0.001):,.0f} a second"
        )
    print(f"  answers that were only late: {result.late}")
    print(f"  bystander: {result.bystander}")
    print(f"  memory, warm and at the end: {result.memory}")
    known = {entry.signature: entry for entry in corpus.entries() if entry.open}
    new = 0
    for signature, finding in result.findings.items():
        times = result.times[signature]
        if signature in known:
            print(f"known ({known[signature].open}), {times} times: {signature}")
            continue
        new += 1
        path = corpus.write(finding)
        print(f"FOUND {times} times, {path.name if path else finding.batch}: {signature}")
    print(f"{new} findings")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
