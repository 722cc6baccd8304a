"""`make bench`: what a check costs, against the floor and against other ways to write it.

The figure is CPU time by the kernel's accounting, of every process that a request passes, the
store included and the generator not. Rounds are interleaved, and ratios are taken within a round:
the machine is shared, and what slows one slows its neighbour in the round.
"""

import json
import statistics
import sys

import grpc
import httpx

from bench import report, users
from bench.generator import HOST, Generator, Target, require_h2load
from bench.parts import (
    EMPTY,
    EMPTY_GATEWAY,
    FASTAPI,
    GATEWAY,
    GO,
    OURS,
    STORE,
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
BODY = {"openid": OPENID, "levels": LEVELS}
REPLY = {"ret": 0, "msg": "", "data": {"ok": True}}
RPC = "/levelgate.upbot.v1.UpbotChecks/CheckUserXYLevel"
BATCH_RPC = "/levelgate.upbot.v1.Eligibility/BatchCheck"
PATH = "/upbot/api/CheckUserXYLevel"

# Users that a batch asks about, and batches in a round.
BATCH, BATCHES = 1_000, 200
# Users that the service is asked about for its memory.
CROWD = 1_000_000
# Requests at half of the peak in a round, and how many rounds.
PACED, PACED_ROUNDS = 6_000, 5


def targets(parts: Parts) -> list[Target]:
    ours, go, envoy = parts.port(OURS), parts.port(GO), parts.port(TRANSCODER)
    service = ("upbot_checks", "store")
    found = [
        Target(report.EMPTY, parts.port(EMPTY), RPC, ("empty",), is_grpc=True),
        Target(report.GRPC, ours, RPC, service, is_grpc=True),
        Target(report.FLOOR, envoy, "/floor", ("transcoder",)),
        Target(report.EMPTY_JSON, envoy, PATH, ("transcoder", "empty"), host="empty"),
        Target(report.JSON, parts.port(GATEWAY), PATH, ("gateway", *service)),
        Target(report.FASTAPI, parts.port(FASTAPI), PATH, ("fastapi", "store")),
        Target(report.ORDINARY, envoy, PATH, ("transcoder", "ordinary", "store")),
    ]
    if "go" in parts.running:
        found.append(Target(report.GO_GRPC, go, RPC, ("go", "store"), is_grpc=True))
        found.append(Target(report.GO_JSON, go + 1, PATH, ("go", "store")))
    return found


def batch_target(parts: Parts) -> Target:
    service = ("upbot_checks", "store")
    return Target(report.BATCH, parts.port(OURS), BATCH_RPC, service, is_grpc=True, body="batch")


def prepare(parts: Parts, demo: Demo) -> Generator:
    """A generator that has what it sends, once all targets say the same to it."""
    generator = Generator(parts.directory, demo.token)
    message = CheckUserXYLevelRequest(openid=OPENID, level=LEVELS)
    generator.add_body("check", message.SerializeToString(), BODY)
    some = users.names(0, BATCH)
    users.copy_user(parts.store_url, OPENID, some)
    generator.add_body("batch", users.batch(some).SerializeToString())
    for target in targets(parts):
        if target.name != report.EMPTY_JSON:
            _require_right_answer(target, demo.token)
    return generator


def _require_right_answer(target: Target, token: str) -> None:
    """Each says the same, and each refuses a wrong token: else the comparison is none."""
    if target.is_grpc:
        request = CheckUserXYLevelRequest(openid=OPENID, level=LEVELS)
        with grpc.insecure_channel(f"{HOST}:{target.port}") as channel:
            check = UpbotChecksStub(channel).CheckUserXYLevel
            if not check(request, timeout=5, metadata=(("authorization", token),)).data.ok:
                raise ValueError(f"{target.name} says no")
        return
    url = f"http://{HOST}:{target.port}{target.path}"
    found = httpx.post(url, json=BODY, headers={"authorization": token})
    if found.json() != REPLY:
        raise ValueError(f"{target.name} says {found.text}")
    refused = httpx.post(url, json=BODY, headers={"authorization": "x"})
    if target.path == PATH and refused.is_success:
        raise ValueError(f"{target.name} takes any token")


def measure_costs(parts: Parts, generator: Generator) -> dict[str, list[float]]:
    """Microseconds of CPU for a check, of each target in each round."""
    found: dict[str, list[float]] = {}

    def measure(target: Target, requests: int, checks: int) -> None:
        before = parts.cpu_seconds(target.processes)
        generator.send(target, requests)
        spent = parts.cpu_seconds(target.processes) - before
        found.setdefault(target.name, []).append(1e6 * spent / checks)

    for target in targets(parts):
        generator.send(target, REQUESTS // 4)
    generator.send(batch_target(parts), BATCHES // 4)
    for number in range(ROUNDS):
        for target in targets(parts):
            measure(target, REQUESTS, REQUESTS)
        measure(batch_target(parts), BATCHES, BATCHES * BATCH)
        before = parts.cpu_seconds(["store"])
        users.get_repeatedly(parts.port(STORE), OPENID, REQUESTS)
        spent = parts.cpu_seconds(["store"]) - before
        found.setdefault(report.STORE_GET, []).append(1e6 * spent / REQUESTS)
        sys.stderr.write(f"round {number + 1} of {ROUNDS}\n")
    return found


def measure_p99(parts: Parts, generator: Generator) -> list[float]:
    """At half of our peak through the gateway: our p99 against that of an empty handler."""
    ours = next(target for target in targets(parts) if target.name == report.JSON)
    empty = Target("empty handler", parts.port(EMPTY_GATEWAY), PATH, ())
    generator.send(empty, REQUESTS)
    rate = statistics.median(generator.send(ours, REQUESTS) for _ in range(3)) / 2
    found = []
    for number in range(PACED_ROUNDS):
        one, other = (
            generator.latencies(target, rate, PACED)[int(PACED * 0.99)] for target in (ours, empty)
        )
        sys.stderr.write(
            f"p99 at {rate:.0f} requests a second, round {number + 1} of {PACED_ROUNDS}:"
            f" {1e3 * one:.2f} ms, empty handler {1e3 * other:.2f} ms\n"
        )
        found.append(one / other)
    return found


def measure_memory(parts: Parts, token: str) -> tuple[float, float]:
    """Mebibytes of the service after checks of many users, and what as many more add."""
    crowd = users.names(0, CROWD)
    users.copy_user(parts.store_url, OPENID, crowd)
    resident = []
    for _ in range(2):
        users.check_all(f"{HOST}:{parts.port(OURS)}", token, crowd, BATCH)
        resident.append(parts.resident_mebibytes("upbot_checks"))
    return resident[0], resident[1] - resident[0]


def write(costs: dict[str, list[float]], found: dict[str, list[float]]) -> None:
    text = report.table(costs, found)
    sys.stdout.write(text)
    medians = {name: statistics.median(each) for name, each in found.items()}
    (ROOT / ".run" / "bench" / "checks.json").write_text(json.dumps(medians, indent=2) + "\n")
    head = "# What a check costs\n\nWritten by `make bench`.\n\n"
    (ROOT / "bench" / "results.md").write_text(head + text + "\n![CPU a check](results.svg)\n")
    bars_of = {name: statistics.median(each) for name, each in costs.items()}
    (ROOT / "bench" / "results.svg").write_text(bars(bars_of, "CPU us a check"))


def main() -> int:
    require_h2load()
    directory = ROOT / ".run" / "bench" / "checks"
    with running_parts(directory, FIRST_PORT) as (parts, demo):
        start = parts.cpu_seconds(["upbot_checks"])
        generator = prepare(parts, demo)
        costs = measure_costs(parts, generator)
        p99 = measure_p99(parts, generator)
        resident, growth = measure_memory(parts, demo.token)
    found = report.ratios(costs)
    found["p99_vs_floor_at_half_peak"] = p99
    found["service_rss_mib"], found["service_rss_growth_mib"] = [resident], [growth]
    found["start_cpu_seconds"] = [start]
    write(costs, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
