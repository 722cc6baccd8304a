"""`python -m bench.audience`: what a search costs with a million members, and what others notice.

It prints a table. Rounds with and without a search alternate, and ratios are calculated within a
round, because the machine is shared. Checks come from this process, the search from another one.
"""

import argparse
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import redis

from bench.launch import HOST, Launch, Processes, launch_store, status
from bench.processes import prefer
from bench.state import name_of, points_of
from levelgate.upbot.v1.eligibility_pb2 import (
    Condition,
    ConditionList,
    CountUsersRequest,
    FindUsersRequest,
    LevelIn,
    StarLit,
)
from levelgate.upbot.v1.eligibility_pb2_grpc import EligibilityStub
from levelgate.upbot.v1.upbot_checks_pb2 import CheckUserXYLevelRequest
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksStub
from operations.commands.demo import prepare
from services.rules.rule_book import RuleBook
from services.store.batches import batched
from services.store.client import connect
from services.store.keys import Buckets
from services.store.settings import StoreSettings
from services.user_facts.fact import ANDROID, Star
from services.user_facts.fact_store import star_field
from services.user_state.bulk import BulkUsers
from services.user_state.rows import Row

ROUNDS = 3
# Every third member has a star, and every hundredth the one that is searched for.
_COMMON, _RARE = Star(79, ANDROID), Star(1279, ANDROID)
_CHECKS_A_SECOND, _CHECK_SECONDS = 200, 4.0
STAR = Condition(star=StarLit(gids=[_RARE.gid]))
LEVEL_AND_STAR = Condition(
    all=ConditionList(conditions=[Condition(level_in=LevelIn(levels=[3, 5])), STAR])
)
LEVEL = Condition(level_at_least=3)


class Searched(NamedTuple):
    """The result of a complete search."""

    users: int
    seconds: float


class Running(NamedTuple):
    """A store with members, and an upbot_checks."""

    processes: Processes
    address: str
    metadata: Sequence[tuple[str, str]]
    store: Any

    def cpu(self) -> tuple[float, float]:
        return self.processes.cpu_seconds(["store"]), self.processes.cpu_seconds(["service"])


def load(address: str, members: int) -> None:
    """Writes members and stars directly to the store, by the code that the services use."""
    store = connect(StoreSettings.model_validate({"url": address, "timeout_seconds": 30}))
    bulk, thresholds = BulkUsers(store, Buckets()), RuleBook(store).book().thresholds
    bulk.write((Row(name_of(n), points_of(n)) for n in range(members)), thresholds)
    buckets = Buckets()
    for numbers in batched(range(members), 10_000):
        with store.pipeline(transaction=False) as pipeline:
            for number in numbers:
                stars = [star for star, each in ((_COMMON, 3), (_RARE, 100)) if number % each == 0]
                user, bucket = name_of(number), buckets.of(name_of(number))
                for star in stars:
                    pipeline.execute_command("HSET", bucket.facts(user), star_field(star), "1")
                    pipeline.execute_command("ZADD", bucket.fact_users, 0, user)
            pipeline.execute()
    store.close()


@contextmanager
def running(directory: Path, members: int) -> Iterator[Running]:
    processes = Processes(directory)
    try:
        # Searches only read, so the members need not be on disk.
        options = ["--appendonly", "no", "--save", ""]
        options += ["--slowlog-max-len", "10000", "--slowlog-log-slower-than", "1000"]
        processes.start("store", lambda port: launch_store(port, directory, *options))
        prefer(processes.running["store"].pid)
        address = f"redis://{HOST}:{processes.ports['store']}/0"
        demo = prepare(address)
        load(address, members)
        processes.start("service", lambda port: _upbot_checks(port, address))
        store = redis.Redis(port=processes.ports["store"])
        metadata = (("authorization", demo.token),)
        yield Running(processes, f"{HOST}:{processes.ports['service']}", metadata, store)
    finally:
        processes.stop()


def _upbot_checks(port: int, store: str) -> Launch:
    names = {
        "REDIS_URL": store,
        "REDIS_TIMEOUT_SECONDS": "5",
        "UPBOT_CHECKS_PORT": str(port),
        "UPBOT_CHECKS_METRICS_PORT": str(port + 1),
    }
    command = [sys.executable, "-m", "services.upbot_checks"]
    page = f"http://{HOST}:{port + 1}/healthz"
    return Launch(command, names, lambda: status(page) == 200)


def search(address: str, metadata: Sequence[tuple[str, str]], condition: bytes) -> Searched:
    """Runs in another process."""
    with grpc.insecure_channel(address) as channel:
        started, users = time.perf_counter(), 0
        request = FindUsersRequest(condition=Condition.FromString(condition))
        stub: Any = EligibilityStub(channel)
        for message in stub.FindUsers(request, metadata=metadata):
            users += len(message.data.openids)
        return Searched(users, time.perf_counter() - started)


def check_p99(
    running: Running, members: int, is_over: Callable[[], bool], chance: random.Random
) -> float:
    """The p99 of checks at a fixed rate, in milliseconds. Each is about a random member."""
    took = []
    with grpc.insecure_channel(running.address) as channel:
        stub: Any = UpbotChecksStub(channel)
        due = time.perf_counter()
        while not is_over():
            due += 1 / _CHECKS_A_SECOND
            time.sleep(max(0.0, due - time.perf_counter()))
            request = CheckUserXYLevelRequest(openid=name_of(chance.randrange(members)), level=[3])
            started = time.perf_counter()
            stub.CheckUserXYLevel(request, metadata=running.metadata)
            took.append((time.perf_counter() - started) * 1_000)
    return statistics.quantiles(took, n=100)[98]


def measure(running: Running, members: int) -> list[tuple[str, str, str]]:
    chance = random.Random(1)  # noqa: S311
    context = multiprocessing.get_context("spawn")
    rates, ratios, quiet, busy, cpu = [], [], [], [], []
    with ProcessPoolExecutor(1, context) as others:

        def found(condition: Condition) -> "Future[Searched]":
            packed = condition.SerializeToString()
            return others.submit(search, running.address, running.metadata, packed)

        found(LEVEL).result()
        running.store.slowlog_reset()
        for _ in range(ROUNDS):
            ends = time.perf_counter() + _CHECK_SECONDS
            quiet.append(check_p99(running, members, lambda: time.perf_counter() > ends, chance))  # noqa: B023
            before = running.cpu()
            result = found(STAR)
            busy.append(check_p99(running, members, result.done, chance))
            cpu.append([now - then for now, then in zip(running.cpu(), before, strict=True)])
            rates.append(members / result.result().seconds)
            ratios.append(busy[-1] / quiet[-1])
        slow = running.store.slowlog_get(10_000)
        level_and_star = found(LEVEL_AND_STAR).result()
        level = found(LEVEL).result()
    blocks = [each["duration"] / 1_000 for each in slow if b"EVAL" in each["command"][:10]]
    count, estimated, exact = (
        counted(running, CountUsersRequest(condition=condition, estimate=estimate))
        for condition, estimate in ((LEVEL, False), (STAR, True), (STAR, False))
    )
    store, service = (statistics.median(each) for each in zip(*cpu, strict=True))
    return [
        ("star: users visited a second", f"{statistics.median(rates):,.0f}", ">= 50,000"),
        ("  CPU of the store and the service", f"{store:.2f} s, {service:.2f} s", ""),
        ("  longest script", f"{max(blocks, default=1.0):.1f} ms", "< 5"),
        ("p99 of checks without a search", f"{statistics.median(quiet):.2f} ms", ""),
        ("  during a search", f"{statistics.median(busy):.2f} ms", ""),
        ("  ratio", f"{statistics.median(ratios):.2f}", "<= 2"),
        (f"level and star: {level_and_star.users}", f"{level_and_star.seconds:.2f} s", ""),
        (f"level: {level.users}", f"{level.seconds:.2f} s", ""),
        (f"count by level: {count[0]}", f"{count[1]:.2f} s", "<= 0.2"),
        (f"estimate by star: {estimated[0]}", f"{estimated[1]:.2f} s", ""),
        (f"count by star: {exact[0]}", f"{exact[1]:.2f} s", ""),
    ]


def counted(running: Running, request: CountUsersRequest) -> tuple[str, float]:
    """The count, and the median of the seconds that it took."""
    seconds = []
    with grpc.insecure_channel(running.address) as channel:
        stub: Any = EligibilityStub(channel)
        for _ in range(ROUNDS):
            started = time.perf_counter()
            data = stub.CountUsers(request, metadata=running.metadata).data
            seconds.append(time.perf_counter() - started)
    return f"{data.users} +- {data.error}", statistics.median(seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.audience", description=__doc__)
    parser.add_argument("--members", type=int, default=1_000_000)
    members = parser.parse_args().members
    with tempfile.TemporaryDirectory() as directory, running(Path(directory), members) as started:
        lines = measure(started, members)
    print("\n".join(f"{what:<42} {figure:>24}   {goal}" for what, figure, goal in lines))
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"\n{members:,} members; {os.cpu_count()} cores, load {load}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
