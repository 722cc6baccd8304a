"""`make bench`: what a check costs, against the floor and against other ways to write it.

The figure is CPU time by the kernel's accounting, of every process that a request passes, the
store included and the generator not. Rounds are interleaved, and ratios are taken within a round:
the machine is shared, and what slows one slows its neighbour in the round.
"""

import json
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx

from bench.parts import (
    EMPTY,
    FASTAPI,
    GATEWAY,
    HOST,
    OURS,
    TRANSCODER,
    Parts,
    running_parts,
)
from bench.plot import bars
from bench.processes import ROOT
from levelgate.upbot.v1.upbot_checks_pb2 import CheckUserXYLevelRequest
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksStub
from operations.demo import Demo

ROUNDS = 7
REQUESTS = 4_000
FIRST_PORT = 46_000
OPENID, LEVELS = "3dfg4df", (1, 3)
REPLY = {"ret": 0, "msg": "", "data": {"ok": True}}
RPC = "/levelgate.upbot.v1.UpbotChecks/CheckUserXYLevel"
PATH = "/upbot/api/CheckUserXYLevel"


@dataclass(frozen=True)
class Target:
    """One way to answer the check."""

    name: str
    port: int
    path: str
    processes: Sequence[str]
    is_grpc: bool = False


def targets(parts: Parts) -> list[Target]:
    envoy_floor = Target("Envoy, direct response", parts.port(TRANSCODER), "/floor", ["transcoder"])
    return [
        Target("grpcio, empty handler", parts.port(EMPTY), RPC, ["empty"], is_grpc=True),
        Target("gRPC check", parts.port(OURS), RPC, ["upbot_checks", "store"], is_grpc=True),
        envoy_floor,
        Target("JSON check", parts.port(GATEWAY), PATH, ["gateway", "upbot_checks", "store"]),
        Target("FastAPI", parts.port(FASTAPI), PATH, ["fastapi", "store"]),
        Target(
            "grpc.aio behind Envoy",
            parts.port(TRANSCODER),
            PATH,
            ["transcoder", "ordinary", "store"],
        ),
    ]


# Which ratio is asked for, under the name that .run/bench/checks.json has it.
RATIOS = {
    "grpc_unary_vs_empty_cpu": ("gRPC check", "grpcio, empty handler"),
    "json_vs_fastapi_cpu": ("JSON check", "FastAPI"),
    "json_vs_ordinary_cpu": ("JSON check", "grpc.aio behind Envoy"),
}
TO_REACH = {
    "grpc_unary_vs_empty_cpu": 1.60,
    "json_vs_fastapi_cpu": 0.95,
    "json_vs_ordinary_cpu": 0.50,
    "start_cpu_seconds": 1.5,
}


@dataclass
class Generator:
    """h2load with the bodies that it sends."""

    directory: Path
    token: str

    def __post_init__(self) -> None:
        message = CheckUserXYLevelRequest(openid=OPENID, level=LEVELS).SerializeToString()
        (self.directory / "grpc").write_bytes(b"\0" + len(message).to_bytes(4) + message)
        body = json.dumps({"openid": OPENID, "levels": LEVELS})
        (self.directory / "json").write_text(body)

    def send(self, target: Target, count: int) -> None:
        """Raises ValueError if not every request was answered with 200."""
        kind = "grpc" if target.is_grpc else "json"
        headers = ["-H", f"authorization: {self.token}"]
        if target.is_grpc:
            headers += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
            options = ["-c", "1", "-m", "16"]
        else:
            headers += ["-H", "content-type: application/json"]
            options = ["-c", "16", "--h1"]
        command = ["h2load", "-t1", "-n", str(count), *options, *headers]
        command += ["-d", str(self.directory / kind), f"http://{HOST}:{target.port}{target.path}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        good = re.search(r"status codes: (\d+) 2xx", done.stdout)
        if good is None or int(good[1]) != count:
            raise ValueError(f"{target.name}: not every request was answered:\n{done.stdout}")


def require_right_answers(parts: Parts, demo: Demo) -> None:
    """Each says the same, and each refuses a wrong token: else the comparison is none."""
    body = {"openid": OPENID, "levels": LEVELS}
    for target in targets(parts):
        if target.is_grpc:
            with grpc.insecure_channel(f"{HOST}:{target.port}") as channel:
                stub = UpbotChecksStub(channel)
                request = CheckUserXYLevelRequest(openid=OPENID, level=LEVELS)
                metadata = (("authorization", demo.token),)
                reply = stub.CheckUserXYLevel(request, timeout=5, metadata=metadata)
                if not reply.data.ok:
                    raise ValueError(f"{target.name} says no")
            continue
        url = f"http://{HOST}:{target.port}{target.path}"
        found = httpx.post(url, json=body, headers={"authorization": demo.token})
        if found.json() != REPLY:
            raise ValueError(f"{target.name} says {found.text}")
        if (
            target.path == PATH
            and httpx.post(url, json=body, headers={"authorization": "x"}).is_success
        ):
            raise ValueError(f"{target.name} takes any token")


def measure(parts: Parts, generator: Generator) -> dict[str, list[float]]:
    """Microseconds of CPU for a request, of each target in each round."""
    found: dict[str, list[float]] = {target.name: [] for target in targets(parts)}
    for target in targets(parts):
        generator.send(target, REQUESTS // 4)
    for number in range(ROUNDS):
        for target in targets(parts):
            before = parts.cpu_seconds(target.processes)
            generator.send(target, REQUESTS)
            spent = parts.cpu_seconds(target.processes) - before
            found[target.name].append(1e6 * spent / REQUESTS)
        sys.stderr.write(f"round {number + 1} of {ROUNDS}\n")
    return found


def ratios(costs: dict[str, list[float]]) -> dict[str, list[float]]:
    return {
        name: sorted(one / other for one, other in zip(costs[of], costs[to], strict=True))
        for name, (of, to) in RATIOS.items()
    }


def report(costs: dict[str, list[float]], found: dict[str, list[float]], start: float) -> str:
    lines = ["| one check | CPU us a request, median | least-most |", "|---|---|---|"]
    for name, each in costs.items():
        median = statistics.median(each)
        lines.append(f"| {name} | {median:.0f} | {min(each):.0f}-{max(each):.0f} |")
    lines += ["", "| ratio | median | least-most | to reach |", "|---|---|---|---|"]
    for name, each in found.items():
        median = statistics.median(each)
        spread = f"{each[0]:.2f}-{each[-1]:.2f}"
        lines.append(f"| {name} | {median:.2f} | {spread} | <= {TO_REACH[name]:.2f} |")
    lines.append(f"| start_cpu_seconds | {start:.2f} | | <= {TO_REACH['start_cpu_seconds']:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    if shutil.which("h2load") is None:
        sys.exit("h2load is missing; Debian has it in nghttp2-client")
    directory = ROOT / ".run" / "bench" / "checks"
    with running_parts(directory, FIRST_PORT) as (parts, demo):
        start = parts.cpu_seconds(["upbot_checks"])
        require_right_answers(parts, demo)
        costs = measure(parts, Generator(directory, demo.token))
        resident = parts.resident_mebibytes("upbot_checks")
    found = ratios(costs)
    table = report(costs, found, start)
    sys.stdout.write(table)
    medians = {name: statistics.median(each) for name, each in found.items()}
    figures = {**medians, "start_cpu_seconds": start, "service_rss_mib": resident}
    (directory.parent / "checks.json").write_text(json.dumps(figures, indent=2) + "\n")
    head = "# What a check costs\n\nWritten by `make bench`.\n\n"
    (ROOT / "bench" / "results.md").write_text(head + table + "\n![CPU a request](results.svg)\n")
    medians_of_costs = {name: statistics.median(each) for name, each in costs.items()}
    (ROOT / "bench" / "results.svg").write_text(bars(medians_of_costs, "CPU us a request"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
