"""`make fuzz`: sends many wrong inputs to a suite and checks its invariants meanwhile."""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import SHARES, Result, fuzz
from tests.fuzz.stack import fuzzed_stack


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="length of the run")
    parser.add_argument("--inputs", type=int, default=10**9, help="largest number of inputs")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--targets", nargs="+", choices=tuple(SHARES), default=tuple(SHARES))
    parser.add_argument("--keep", type=Path, help="keep logs and data in this folder")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Ends all processes, also where a shell started this one with the signal ignored.
        signal.signal(number, signal.default_int_handler)
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
    print("  " + ", ".join(f"{target} {count:,}" for target, count in result.inputs.items()))
    print(f"  answers that were only late: {result.late}")
    print(f"  bystander: {result.bystander}")
    print(f"  memory, warm and at the end: {result.memory}")
    for signature, finding in result.findings.items():
        print(f"FOUND {result.times[signature]} times, {finding.write()}: {signature}")
    print(f"{len(result.findings)} findings")
    return 1 if result.findings else 0


if __name__ == "__main__":
    sys.exit(main())
