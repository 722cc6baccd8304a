"""`make flame`: where the time of a gRPC check goes, as a flame graph of the service's Python.

py-spy samples the threads that hold Python's lock; what Envoy, in the same process, does without it
is not in the picture.
"""

import subprocess
import sys

from bench import targets
from bench.checks import HOT, prepare
from bench.generator import require_h2load
from bench.launch import ROOT
from bench.parts import DEFAULT, running_parts, service
from bench.report import GRPC

SECONDS, RATE = 12, 500
GRAPH = ROOT / "docs" / "flame-check.svg"


def main() -> int:
    require_h2load()
    with running_parts(ROOT / ".run" / "bench" / "flame") as (running, demo):
        generator = prepare(running, demo)
        target = next(target for target in targets.hot(running) if target.name == GRPC)
        generator.send(target, HOT)
        pid = running.running[service(DEFAULT)].pid
        command = ["py-spy", "record", "--gil", "--pid", str(pid), "-d", str(SECONDS)]
        command += ["-r", str(RATE), "-f", "flamegraph", "-o", str(GRAPH.relative_to(ROOT))]
        sampler = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: S603
        while sampler.poll() is None:
            generator.send(target, HOT)
    return sampler.returncode


if __name__ == "__main__":
    sys.exit(main())
