"""`make bench`: what a check costs, compared with baselines and other implementations.

The figure is the CPU time, by the kernel's accounting, of every process that a request passes. The
store is included, and the load generator is not. Rounds are interleaved, and ratios are calculated
within a round: the machine is shared, and what slows one target also slows the next one in the
round.
"""

import json
import statistics
import sys
import time

import grpc

from bench import components, report, targets, users
from bench.components import DEFAULT, GRPCIO, STORE, running_components, service
from bench.generator import Generator, Target, require_h2load
from bench.half_open import half_open, unfinished
from bench.launch import HOST, ROOT, Processes
from bench.many import LEVELS
from bench.targets import BODY, OPENID, PATH, RPC
from levelgate.upbot.v1.upbot_checks_pb2 import CheckUserXYLevelRequest
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksStub
from operations.commands.demo import Demo

ROUNDS = 7
# Requests to each target in a round: about one user, about new users, and with a distant store.
HOT, COLD, FAR = 3_000, 1_500, 800
COLD_USERS = 120_000

# Users in a batch, and batches in a round.
BATCH, BATCHES = 1_000, 150
# Users that are checked before the service's memory is measured.
MANY_USERS = 1_000_000
# Requests at half of the peak in a round, and the number of rounds. With many short rounds, a stall
# of the machine affects few of them, and the median not at all.
PACED, PACED_ROUNDS = 2_000, 15
# Connections with calls that are never finished, and calls of another client meanwhile.
CONNECTIONS, CALLS_EACH, OTHERS, OTHERS_SECONDS = 100, 100, 100, 2.0

Rounds = dict[str, list[float]]


def prepare(running: Processes, demo: Demo) -> Generator:
    """A generator with its request bodies, after a check that all targets answer the same."""
    generator = Generator(running.directory, demo.token, iter(users.names(0, COLD_USERS)))
    message = CheckUserXYLevelRequest(openid=OPENID, level=LEVELS)
    generator.add_body("check", message.SerializeToString(), BODY)
    users.copy_user(components.store_url(running), OPENID, users.names(0, COLD_USERS))
    some = users.batch(users.names(0, BATCH))
    generator.add_body("batch", some.SerializeToString())
    for target in [*targets.hot(running), *targets.far(running)]:
        if target.name != report.EMPTY_JSON:
            targets.require_right_answer(target, demo.token)
    return generator


def measure_costs(running: Processes, generator: Generator) -> tuple[Rounds, Rounds]:
    """Microseconds of CPU per check, and requests a second, of each target in each round."""
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
    """Our p99 divided by that of an empty handler, both at half of our peak through the gateway."""
    ours = next(target for target in targets.hot(running) if target.name == report.JSON)
    empty = Target("empty handler", running.ports[components.EMPTY_GATEWAY], PATH, ())
    generator.send(empty, HOT)
    rate = statistics.median(generator.send(ours, HOT) for _ in range(3)) / 2
    found = []
    for number in range(PACED_ROUNDS):
        # They take turns at being first, so that other work on the machine affects both.
        order = (ours, empty) if number % 2 else (empty, ours)
        p99 = {each: generator.latencies(each, rate, PACED)[int(PACED * 0.99)] for each in order}
        sys.stderr.write(
            f"p99 at {rate:.0f} requests a second, round {number + 1} of {PACED_ROUNDS}:"
            f" {1e3 * p99[ours]:.2f} ms, empty handler {1e3 * p99[empty]:.2f} ms\n"
        )
        found.append(p99[ours] / p99[empty])
    return found


def measure_memory(running: Processes, name: str, token: str) -> tuple[float, float]:
    """Mebibytes of the service after checks of many users, and what a second round adds."""
    names = users.names(0, MANY_USERS)
    resident = []
    for _ in range(2):
        users.check_all(f"{HOST}:{running.ports[name]}", token, names, BATCH)
        resident.append(running.resident_mebibytes(name))
    return resident[0], resident[1] - resident[0]


def measure_half_open(running: Processes, name: str, token: str) -> float:
    """How many calls of another client fail while many calls are begun and not finished."""
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
    (ROOT / "bench" / "results.md").write_text(head + text)


def main() -> int:
    require_h2load()
    with running_components(ROOT / ".run" / "bench" / "checks") as (running, demo):
        generator = prepare(running, demo)
        costs, rates = measure_costs(running, generator)
        found = report.ratios(costs)
        found["p99_vs_baseline_at_half_peak"] = measure_p99(running, generator)
        found["cold_checks_per_second_at_2_5_ms"] = rates[report.FAR]
        found["grpcio_cold_checks_per_second_at_2_5_ms"] = rates[report.GRPCIO_FAR]
        users.copy_user(components.store_url(running), OPENID, users.names(0, MANY_USERS))
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
