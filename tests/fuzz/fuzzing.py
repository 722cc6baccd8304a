"""A run against a suite: its workers, and everything that is looked at meanwhile."""

import os
from collections.abc import Sequence
from contextlib import closing

from tests.fuzz.bystander import Bystander
from tests.fuzz.logs import Logs
from tests.fuzz.memory import Memory, processes_below
from tests.fuzz.place import Place
from tests.fuzz.run import INSIDE, SHARES, Result, Run, workers_for
from tests.fuzz.stack import log_files
from tests.fuzz.sweep import Sweep
from tests.support.running import RunningStack


def fuzz(
    stack: RunningStack,
    place: Place,
    *,
    seconds: float,
    inputs: int,
    seed: int,
    targets: Sequence[str] = tuple(SHARES),
) -> Result:
    """The workers send; what does not hold is in the result."""
    bystander = Bystander(place, stack.store)
    sweep = Sweep(place.redis, stack.store, bystander.kept)
    folder = stack.directory / "logs"
    # A record that cannot be read is a fault, so that its worker's log has lines at error level.
    workers_logs = [folder / f"fuzz-{target}.log" for target in targets if target != "record"]
    logs = Logs([*log_files(stack), *workers_logs])
    suite = processes_below(os.getpid())
    with closing(sweep), workers_for(place, seed, inputs, folder, targets) as (workers, done, over):
        inside = {name: worker.pid for name, worker in workers.items() if name in INSIDE}
        with closing(Memory(suite, inside, place.redis)) as memory:
            run = Run(bystander, logs, memory, sweep)
            run.until_done(workers, done, over, seconds=seconds, inputs=inputs)
    return run.result
