"""`make flame`: a flame graph of the service's Python during gRPC checks, in .run/flame.svg.

py-spy samples the threads that hold Python's lock. Work that Envoy does in the same process without
the lock is not in the graph.
"""

import subprocess
import sys

from bench import targets
from bench.checks import HOT, prepare
from bench.components import DEFAULT, running_components, service
from bench.generator import require_h2load
from bench.launch import ROOT
from bench.report import GRPC

SECONDS, RATE = 12, 500
GRAPH = ROOT / ".run" / "flame.svg"


def main() -> int:
    require_h2load()
    with running_components(ROOT / ".run" / "bench" / "flame") as (running, demo):
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
