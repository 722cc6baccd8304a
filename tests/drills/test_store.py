"""The store crashes or does not answer: callers get an error quickly, and no write is lost."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.compose.project import SERVICES, Project, docker
from tests.drills.conftest import Drill
from tests.drills.load import Load, Outcome
from tests.drills.writing import Writing
from tests.stack.waiting import until
from tests.support.running import RunningStack

SILENCE = 6.0
# REDIS_TIMEOUT_SECONDS. A call waits so long, then the probe that it causes waits, too: from then
# on the store is known to be silent. A call that began just before ends one wait later.
WAIT = 0.4
KNOWN_AFTER = 2 * WAIT
# So long upbot_checks may answer from memory before it notices.
TRUSTED = 1.0


def back_after(outcomes: Sequence[Outcome], moment: float) -> float:
    """Seconds from this moment until the last call that failed."""
    late = [each.ended for each in outcomes if not each.is_good and each.ended > moment]
    return round(max(late, default=moment) - moment, 2)


def answers(duo: Project, container: str) -> bool:
    return duo.health(container) != "exited" and "PONG" in docker(
        "exec", container, "redis-cli", "--no-auth-warning", "--user", "probe", "--pass", "x",
        "ping", check=False,
    )  # fmt: skip


def test_sigkill_of_redis_under_writes(duo: Project, stack: RunningStack, drill: Drill) -> None:
    """SIGKILL of Redis under writes: two crashes, and one after which it stays away for 3 s"""
    redis = duo.container("redis")
    target = stack.gateway.removeprefix("http://")
    seconds_until_back = []
    with Load(stack.gateway, stack.token, rate=50) as load, Writing(target, stack.token) as wrote:
        for crash in (duo.kill_inside, duo.kill_inside, stay_away):
            count = wrote.count
            until(lambda n=count: wrote.count > n + 200, "writes are in progress", seconds=60)  # type: ignore[misc]
            killed = time.monotonic()
            crash(redis)
            until(lambda: answers(duo, redis), "Redis is back", seconds=60)
            returned = time.monotonic()
            count = wrote.count
            until(lambda n=count: wrote.count > n + 100, "writes continue", seconds=60)  # type: ignore[misc]
            seconds_until_back.append(back_after(load.since(killed), returned))
    lost = wrote.lost()
    failures = load.failures
    drill.shows(
        acknowledged=wrote.count,
        unanswered=sum(map(len, wrote.unanswered.values())),
        acknowledged_and_lost=lost,
        refused_while_down=len(failures),
        not_in_the_documented_form=sum(not each.is_documented for each in failures),
        slowest_refusal_ms=round(1_000 * max(each.seconds for each in failures)),
        seconds_from_its_return_until_all_is_well=seconds_until_back,
    )
    assert lost == 0
    assert all(each.is_documented for each in failures)
    assert max(seconds_until_back) < 2 + load.stall


def stay_away(redis: str) -> None:
    docker("kill", redis)
    # This is how long it is away, not a wait for a condition.
    time.sleep(3)
    docker("start", redis)


@contextmanager
def stopped(duo: Project) -> Iterator[None]:
    """As SIGSTOP: connections stay open, and nothing is answered."""
    redis = duo.container("redis")
    docker("pause", redis)
    try:
        yield
    finally:
        docker("unpause", redis)


@contextmanager
def cut_off(duo: Project) -> Iterator[None]:
    """Packets are lost, and the name cannot be resolved."""
    redis = duo.container("redis")
    docker("network", "disconnect", duo.internal, redis)
    try:
        yield
    finally:
        docker("network", "connect", "--alias", "redis", duo.internal, redis)


@pytest.mark.parametrize("silence", [stopped, cut_off])
def test_a_silent_store(
    duo: Project,
    stack: RunningStack,
    drill: Drill,
    silence: Callable[[Project], AbstractContextManager[None]],
) -> None:
    """Redis silent for 6 s under 100 requests/s"""
    with Load(stack.gateway, stack.token) as load:
        until(lambda: len(load.outcomes) > 200, "the load runs")
        before = memory(duo)
        began = time.monotonic()
        with silence(duo):
            silent = time.monotonic()
            time.sleep(SILENCE)
            during = memory(duo)
        over = time.monotonic()
        until(lambda: len(load.since(over)) > 300, "the load continued")
    refused = load.failures
    slowest = max(each.seconds for each in load.since(began - 1))
    known = [each for each in load.since(silent + TRUSTED + KNOWN_AFTER) if each.ended < over]
    at_once = max(each.seconds for each in known)
    good_again = back_after(load.outcomes, over)
    drill.shows(
        **load.figures(),
        slowest_in_silence_ms=round(1_000 * slowest),
        slowest_when_it_is_known_ms=round(1_000 * at_once),
        not_in_the_documented_form=sum(not each.is_documented for each in refused),
        answered_during_silence=sum(began < each.ended < over for each in load.outcomes),
        seconds_from_its_return_until_all_is_well=good_again,
        mebibytes_before=before,
        mebibytes_in_silence=during,
    )
    assert refused
    assert slowest < KNOWN_AFTER + WAIT + load.stall, late(load.since(began - 1))
    assert at_once < WAIT + load.stall, late(known)
    assert all(each.is_documented for each in refused)
    assert good_again < 2 + load.stall
    for service, most in before.items():
        assert during[service] < 1.1 * most + 5


def late(outcomes: Sequence[Outcome]) -> list[str]:
    slowest = sorted(outcomes, key=lambda each: -each.seconds)[:20]
    return [f"{each.call} {each.status} {each.seconds:.2f}" for each in slowest]


def memory(duo: Project) -> dict[str, float]:
    """MiB of each service's instances together."""
    return {service: sum(map(mebibytes, duo.containers(service))) for service in SERVICES}


def mebibytes(container: str) -> float:
    """The resident memory of the service's own process, after the init before it."""
    status = docker("exec", container, "sh", "-c", "cat /proc/[0-9]*/status")
    sizes = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
    return round(max(sizes) / 1_024, 1)
