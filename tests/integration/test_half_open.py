"""Calls whose request never completes do not affect other callers.

A smaller version of tests/drills/test_half_open.py, at the port of each service and the gateway.
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Event
from typing import Any

import grpc
import httpx
import pytest
from h2.exceptions import ProtocolError

from bench.half_open import (
    LARGEST,
    Address,
    Call,
    Connection,
    half_open,
    reset_calls,
    unfinished,
    unread,
)
from levelgate.member.v1.member_history_pb2 import WatchLevelsRequest
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from levelgate.upbot.v1.eligibility_pb2 import Condition, EligibilityBatchCheckRequest
from levelgate.upbot.v1.upbot_checks_pb2 import CheckUserXYLevelRequest
from services.runtime.settings import ServerSettings
from tests.stack.waiting import until
from tests.support.bystanders import (
    BATCH_CHECK,
    CALLS,
    CHECK,
    COMMON,
    HEALTH,
    STREAMED,
    WATCH,
    WHOLE,
    calls_of_another,
    message,
)
from tests.support.running import RunningStack

CONNECTIONS, CALLS_EACH = 5, 100
STREAMS = ServerSettings.model_fields["streams"].default
SERVICES = tuple(WHOLE)
# Envoy closes a connection after 500 resets, grpcio's library after 1,000.
RESETS = 3_000


def address(target: str) -> Address:
    host, _, port = target.removeprefix("http://").rpartition(":")
    return host, int(port)


def assert_others_are_served(stack: RunningStack, service: str, target: str) -> None:
    good = Counter(OK=CALLS)
    assert calls_of_another(target, WHOLE[service][0], stack.token) == good
    assert calls_of_another(stack.grpc[service], HEALTH, "") == good
    assert httpx.get(f"{stack.metrics[service]}/healthz", timeout=5).status_code == 200
    assert httpx.get(f"{stack.gateway}/healthz", timeout=5).status_code == 200


@pytest.mark.parametrize("at_gateway", [False, True], ids=["own port", "gateway"])
@pytest.mark.parametrize("service", SERVICES)
def test_calls_that_never_complete_do_not_affect_others(
    stack: RunningStack, service: str, at_gateway: bool
) -> None:
    """There are more streams of each kind than a service accepts."""
    target = stack.gateway.removeprefix("http://") if at_gateway else stack.grpc[service]
    paths = [*WHOLE[service], *STREAMED.get(service, ()), *COMMON]
    calls = unfinished(paths, ["", stack.token])
    assert CONNECTIONS * CALLS_EACH // (2 * len(paths)) > STREAMS
    with half_open(address(target), calls, CONNECTIONS, CALLS_EACH):
        assert_others_are_served(stack, service, target)


@pytest.mark.parametrize("service", STREAMED)
def test_streams_over_the_limit_are_refused_immediately(stack: RunningStack, service: str) -> None:
    calls = unfinished(STREAMED[service], [stack.token])
    with half_open(address(stack.grpc[service]), calls, CONNECTIONS, CALLS_EACH) as held:
        refused = str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
        until(lambda: held.answers[refused] >= held.begun - STREAMS, f"refused: {held.answers}")


@pytest.mark.parametrize(
    ("path", "tokens"),
    [(WATCH, ["", "token"]), (STREAMED["member_level"][0], [""])],
    ids=["a watch without its request", "an import without a token"],
)
def test_calls_that_are_not_admitted_take_no_stream(
    stack: RunningStack, path: str, tokens: Sequence[str]
) -> None:
    """A watch is admitted with its request, an import with its token."""
    given = [stack.token if each else "" for each in tokens]
    target = stack.grpc["member_level"]
    with (
        half_open(address(target), unfinished([path], given), CONNECTIONS, CALLS_EACH),
        grpc.insecure_channel(target) as channel,
    ):
        watch = MemberHistoryStub(channel).WatchLevels

        def begins() -> bool:
            metadata = (("authorization", stack.token),)
            replies = watch(WatchLevelsRequest(), timeout=2, metadata=metadata)
            try:
                return next(iter(replies)) is not None
            except grpc.RpcError:
                return False
            finally:
                replies.cancel()

        until(begins, "another caller's watch begins")


@pytest.mark.parametrize("window", [0, LARGEST], ids=["no window", "full sockets"])
def test_clients_that_do_not_read_do_not_affect_others(stack: RunningStack, window: int) -> None:
    """Neither answers of 23 KB nor small ones can be delivered to them."""
    some = EligibilityBatchCheckRequest(
        openids=["3"] * 1_000, condition=Condition(level_at_least=100), explain=True
    )
    batch = Call(BATCH_CHECK, message(some), stack.token, is_whole=True)
    one = CheckUserXYLevelRequest(openid="3", level=[3])
    check = Call(CHECK, message(one), stack.token, is_whole=True)
    target = stack.grpc["upbot_checks"]
    # Fewer calls than the instance answers at a time, because others would be refused.
    with unread(address(target), [batch] * 10 + [check] * 30, CONNECTIONS, window) as begun:
        assert begun >= CONNECTIONS
        assert_others_are_served(stack, "upbot_checks", target)


@pytest.mark.alone
def test_thousands_of_resets_by_one_caller_end_no_call_of_others(stack: RunningStack) -> None:
    """Each call is complete, so the gateway has already passed it on when it is reset."""
    one = message(CheckUserXYLevelRequest(openid="3dfg4df", level=[1, 3]))
    calls = [Call(CHECK, one, stack.token_with("upbot:check"), is_whole=True)] * 50
    gateway = stack.gateway.removeprefix("http://")
    resets, over, found = 0, Event(), Counter[str]()

    def call_until_over() -> None:
        while not over.is_set():
            found.update(calls_of_another(gateway, CHECK, stack.token))

    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(call_until_over)
        try:
            while resets < RESETS:
                # The gateway closes the connection of such a caller after some hundred resets.
                with ExitStack() as opened, suppress(OSError, ProtocolError):
                    caller = Connection(address(stack.gateway), opened)
                    while resets < RESETS:
                        resets += caller.begin(calls)
                        caller.flush()
                        caller.reset()
                        caller.send()
        finally:
            over.set()
            others.result()
    assert set(found) == {"OK"}


@pytest.mark.alone
def test_one_connection_that_resets_calls_at_full_speed_delays_nobody(stack: RunningStack) -> None:
    """It needs no token. Envoy read 1 MiB of it in one turn, and served no other connection."""
    target = stack.grpc["upbot_checks"]
    one = message(CheckUserXYLevelRequest(openid="3dfg4df", level=[1, 3]))
    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(
            lambda: sum(
                (calls_of_another(target, CHECK, stack.token) for _ in range(20)), Counter[str]()
            )
        )
        begun = reset_calls(address(target), CHECK, one, others.done)
        assert others.result() == Counter(OK=20 * CALLS)
    assert begun > 1_000


def resident_mib(stack: RunningStack) -> float:
    page = httpx.get(f"{stack.metrics['upbot_checks']}/metrics", timeout=5).text
    (line,) = (each for each in page.splitlines() if each.startswith("process_resident_memory"))
    return float(line.split()[1]) / 2**20


def test_messages_of_unidentified_callers_are_not_decompressed(stack: RunningStack) -> None:
    bomb = bytes(4 * 1024 * 1024 - 64)
    before = resident_mib(stack)
    with grpc.insecure_channel(stack.grpc["upbot_checks"]) as channel:
        call: Any = channel.unary_unary(BATCH_CHECK)
        calls = [call.future(bomb, compression=grpc.Compression.Gzip) for _ in range(40)]
        codes = Counter(each.code() for each in calls)
    assert codes == {grpc.StatusCode.UNAUTHENTICATED: 40}
    assert resident_mib(stack) < before + 50
    assert_others_are_served(stack, "upbot_checks", stack.grpc["upbot_checks"])


def test_refused_messages_of_identified_callers_are_not_kept_in_memory(stack: RunningStack) -> None:
    bomb = bytes(4 * 1024 * 1024 - 64)
    token = (("authorization", stack.token),)
    before = resident_mib(stack)
    with grpc.insecure_channel(stack.grpc["upbot_checks"]) as channel:
        call: Any = channel.unary_unary(BATCH_CHECK)
        for _ in range(2):
            calls = [
                call.future(bomb, metadata=token, compression=grpc.Compression.Gzip)
                for _ in range(40)
            ]
            codes = {each.code() for each in calls}
            assert codes <= {
                grpc.StatusCode.INVALID_ARGUMENT,
                grpc.StatusCode.RESOURCE_EXHAUSTED,
            }
    assert resident_mib(stack) < before + 80
    assert_others_are_served(stack, "upbot_checks", stack.grpc["upbot_checks"])
