"""`make fuzz`: many wrong inputs, and what must hold meanwhile."""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.fuzz.found import write
from tests.fuzz.fuzzing import fuzz
from tests.fuzz.known import known
from tests.fuzz.run import SHARES, Result
from tests.fuzz.stack import fuzzed_stack


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="after which no input is begun")
    parser.add_argument("--inputs", type=int, default=10**9, help="after which no input is begun")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--targets", nargs="+", choices=tuple(SHARES), default=tuple(SHARES))
    parser.add_argument("--keep", type=Path, help="folder for logs and data; else they are removed")
    options = parser.parse_args()
    for wish in (signal.SIGINT, signal.SIGTERM):
        # Ends what was started here, also where a shell started this with the signal ignored.
        signal.signal(wish, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        with fuzzed_stack(directory) as (stack, place):
            result = fuzz(
                stack,
                place,
                seconds=options.seconds,
                inputs=options.inputs,
                seed=options.seed,
                targets=options.targets,
            )
    return _report(result, options.seed)


def _report(result: Result, seed: int) -> int:
    total = result.inputs.total()
    rate = total / result.seconds
    print(f"seed {seed}: {total:,} inputs in {result.seconds:.0f} s, {rate:,.0f} a second")
    for target, count in result.inputs.items():
        here = 1e6 * result.cpu[target] / count
        print(
            f"  {target}: {count:,} in {result.busy[target]:.0f} s, {here:.0f} us of CPU each here"
        )
    taken = ", ".join(f"{name} {cpu:.0f} s" for name, cpu in result.suite_cpu.items() if cpu >= 1)
    print(f"  CPU of the suite: {taken}")
    print(f"  answers that were only late: {result.late}")
    print(f"  bystander: {result.bystander}")
    print(f"  memory, warm and at the end: {result.memory}")
    new = 0
    for signature, finding in result.findings.items():
        times = result.times[signature]
        if who := known(finding):
            print(f"known ({who}), {times} times: {signature}")
            continue
        new += 1
        path = write(finding)
        print(f"FOUND {times} times, {path.name if path else finding.batch}: {signature}")
    print(f"{new} findings")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
