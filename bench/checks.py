"""`make bench`: what a check costs, against the floor and against other ways to write it.

The figure is CPU time by the kernel's accounting, of every process that a request passes, the
store included and the generator not. Rounds are interleaved, and ratios are taken within a round:
the machine is shared, and what slows one slows its neighbour in the round.
"""

import json
import statistics
import sys
import time

import grpc

from bench import parts, report, targets, users
from bench.generator import Generator, Target, require_h2load
from bench.launch import HOST, ROOT, Processes
from bench.many import LEVELS
from bench.parts import DEFAULT, GRPCIO, STORE, running_parts, service
from bench.plot import bars
from bench.targets import BODY, OPENID, PATH, RPC
from levelgate.upbot.v1.upbot_checks_pb2 import CheckUserXYLevelRequest
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksStub
from operations.commands.demo import Demo
from tests.support.half_open import half_open, unfinished

ROUNDS = 7
# Requests of each target in a round: for one user, for users that are new, and far from the store.
HOT, COLD, FAR = 3_000, 1_500, 800
COLD_USERS = 120_000

# Users that a batch asks about, and batches in a round.
BATCH, BATCHES = 1_000, 150
# Users that the service is asked about for its memory.
CROWD = 1_000_000
# Requests at half of the peak in a round, and how many rounds: with many short ones a stall of the
# machine spoils few of them, and the median not at all.
PACED, PACED_ROUNDS = 2_000, 15
# Calls that are never finished, and those of another client beside them.
CONNECTIONS, CALLS_EACH, OTHERS, OTHERS_SECONDS = 100, 100, 100, 2.0

Rounds = dict[str, list[float]]


def prepare(running: Processes, demo: Demo) -> Generator:
    """A generator that has what it sends, once all targets say the same to it."""
    generator = Generator(running.directory, demo.token, iter(users.names(0, COLD_USERS)))
    message = CheckUserXYLevelRequest(openid=OPENID, level=LEVELS)
    generator.add_body("check", message.SerializeToString(), BODY)
    users.copy_user(parts.store_url(running), OPENID, users.names(0, COLD_USERS))
    some = users.batch(users.names(0, BATCH))
    generator.add_body("batch", some.SerializeToString())
    for target in [*targets.hot(running), *targets.far(running)]:
        if target.name != report.EMPTY_JSON:
            targets.require_right_answer(target, demo.token)
    return generator


def measure_costs(running: Processes, generator: Generator) -> tuple[Rounds, Rounds]:
    """Microseconds of CPU for a check, of each target in each round, and requests a second."""
    costs: Rounds = {}
    rates: Rounds = {}
    batch = targets.batch(running)
    every = [(target, HOT, 1) for target in targets.hot(running)]
    every += [(target, COLD, 1) for target in targets.cold(running)]
    every += [(target, FAR, 1) for target in targets.far(running)]
    every += [(batch, BATCHES, BATCH)]
    for target, requests, _ in every:
        generator.send(target, requests // 4)
    for number in range(ROUNDS):
        for target, requests, checks in every:
            before = running.cpu_seconds(target.processes)
            rates.setdefault(target.name, []).append(generator.send(target, requests))
            spent = running.cpu_seconds(target.processes) - before
            costs.setdefault(target.name, []).append(1e6 * spent / (requests * checks))
        before = running.cpu_seconds([STORE])
        users.get_repeatedly(running.ports[STORE], OPENID, HOT)
        spent = running.cpu_seconds([STORE]) - before
        costs.setdefault(report.STORE_GET, []).append(1e6 * spent / HOT)
        sys.stderr.write(f"round {number + 1} of {ROUNDS}\n")
    return costs, rates


def measure_p99(running: Processes, generator: Generator) -> list[float]:
    """At half of our peak through the gateway: our p99 against that of an empty handler."""
    ours = next(target for target in targets.hot(running) if target.name == report.JSON)
    empty = Target("empty handler", running.ports[parts.EMPTY_GATEWAY], PATH, ())
    generator.send(empty, HOT)
    rate = statistics.median(generator.send(ours, HOT) for _ in range(3)) / 2
    found = []
    for number in range(PACED_ROUNDS):
        # Now one first and now the other: what the machine does meanwhile meets both.
        order = (ours, empty) if number % 2 else (empty, ours)
        p99 = {each: generator.latencies(each, rate, PACED)[int(PACED * 0.99)] for each in order}
        sys.stderr.write(
            f"p99 at {rate:.0f} requests a second, round {number + 1} of {PACED_ROUNDS}:"
            f" {1e3 * p99[ours]:.2f} ms, empty handler {1e3 * p99[empty]:.2f} ms\n"
        )
        found.append(p99[ours] / p99[empty])
    return found


def measure_memory(running: Processes, name: str, token: str) -> tuple[float, float]:
    """Mebibytes of the service after checks of many users, and what as many more add."""
    crowd = users.names(0, CROWD)
    resident = []
    for _ in range(2):
        users.check_all(f"{HOST}:{running.ports[name]}", token, crowd, BATCH)
        resident.append(running.resident_mebibytes(name))
    return resident[0], resident[1] - resident[0]


def measure_half_open(running: Processes, name: str, token: str) -> float:
    """How many calls of another client fail while very many are begun and not finished."""
    port = running.ports[name]
    request = CheckUserXYLevelRequest(openid=OPENID, level=LEVELS)
    calls = unfinished([RPC], ["", token])
    with (
        half_open((HOST, port), calls, CONNECTIONS, CALLS_EACH),
        grpc.insecure_channel(f"{HOST}:{port}") as channel,
    ):
        check, pending = UpbotChecksStub(channel).CheckUserXYLevel, []
        for _ in range(OTHERS):
            metadata = (("authorization", token),)
            pending.append(check.future(request, timeout=OTHERS_SECONDS, metadata=metadata))
            time.sleep(0.01)
        return sum(each.code() is not grpc.StatusCode.OK for each in pending)


def write(costs: Rounds, found: Rounds) -> None:
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
    with running_parts(ROOT / ".run" / "bench" / "checks") as (running, demo):
        generator = prepare(running, demo)
        costs, rates = measure_costs(running, generator)
        found = report.ratios(costs)
        found["p99_vs_floor_at_half_peak"] = measure_p99(running, generator)
        found["cold_checks_per_second_at_2_5_ms"] = rates[report.FAR]
        found["grpcio_cold_checks_per_second_at_2_5_ms"] = rates[report.GRPCIO_FAR]
        users.copy_user(parts.store_url(running), OPENID, users.names(0, CROWD))
        for implementation, prefix in ((DEFAULT, ""), (GRPCIO, "grpcio_")):
            name = service(implementation)
            resident, growth = measure_memory(running, name, demo.token)
            found[f"{prefix}service_rss_mib"] = [resident]
            found[f"{prefix}service_rss_growth_mib"] = [growth]
            found[f"{prefix}start_cpu_seconds"] = [running.start_cpu_seconds[name]]
            failed = measure_half_open(running, name, demo.token)
            found[f"{prefix}half_open_failed"] = [failed]
    write(costs, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
