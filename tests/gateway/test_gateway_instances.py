"""Several instances of a service: one that fails gets no calls; too many calls are refused."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from gateway.render import render
from gateway.settings import GatewaySettings
from levelgate.member.v1.member_level_pb2 import ListRulesRequest
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from tests.gateway.families import BUSY, MEMBER
from tests.gateway.refusals import list_rules
from tests.gateway.running import (
    Gateway,
    channel_to,
    running_gateway,
    virtual_hosts,
    wait_until,
)
from tests.gateway.upstream import Answer, Upstream, failing, raising, slow
from tests.gateway.wire import Wire


@pytest.fixture
def second() -> Iterator[Upstream]:
    upstream = Upstream()
    upstream.start()
    yield upstream
    upstream.stop()


@pytest.fixture
def wires(second: Upstream) -> Iterator[dict[str, Wire]]:
    wires = {name: Wire(port) for name, port in second.ports.items()}
    yield wires
    for wire in wires.values():
        wire.cut()


@pytest.fixture
def both(
    upstream: Upstream, second: Upstream, wires: dict[str, Wire], tmp_path: Path
) -> Iterator[Gateway]:
    instances = {
        f"GATEWAY_{name.upper()}": f"127.0.0.1:{port},127.0.0.1:{wires[name].port}"
        for name, port in upstream.ports.items()
    }
    with running_gateway(tmp_path, upstream.ports, **instances) as gateway:
        wait_until(lambda: is_shared(gateway, upstream, second), "both are chosen")
        yield gateway


def is_shared(gateway: Gateway, first: Upstream, second: Upstream) -> bool:
    show(gateway, 4)
    return bool(first.calls) and bool(second.calls)


def show_once(gateway: Gateway) -> int:
    return gateway.client.get("/show").status_code


def show(gateway: Gateway, times: int) -> Counter[int]:
    return Counter(show_once(gateway) for _ in range(times))


def ejections(gateway: Gateway) -> int:
    return gateway.counter("cluster.member_level.outlier_detection.ejections_enforced_total")


def in_time(_request: Any, context: grpc.ServicerContext) -> None:
    """Does what a service does with a call that takes longer than its deadline."""
    time.sleep(context.time_remaining())
    context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "")


ANSWERS: list[Answer] = [
    *(failing(code) for code in grpc.StatusCode if code is not grpc.StatusCode.OK),
    raising,
]


def test_an_instance_is_not_ejected_for_any_answer_or_short_deadlines_of_a_caller(
    both: Gateway, second: Upstream
) -> None:
    with channel_to(both) as channel, ThreadPoolExecutor(24) as pool:
        rules = MemberLevelStub(channel).ListRules
        for answer in ANSWERS:
            second.answers["ListRules"] = answer
            second.calls.clear()
            show(both, 16)
            for _ in range(16):
                rules.future(ListRulesRequest()).code()
            assert len(second.calls) >= 12
        second.answers["ListRules"] = in_time
        for seconds in (0.001, 0.01, 0.05):
            for _ in range(20):
                rules.future(ListRulesRequest(), timeout=seconds).code()
        # For JSON, the gateway sets the deadline.
        codes = Counter(pool.map(show_once, [both] * 24))
    assert codes[504] >= 5
    assert codes[504] + codes[200] == 24
    assert ejections(both) == 0


def test_an_instance_that_is_not_serving_or_hangs_gets_no_calls_until_it_answers_again(
    both: Gateway, second: Upstream, wires: dict[str, Wire]
) -> None:
    def is_left_out() -> bool:
        second.calls.clear()
        show(both, 10)
        return not second.calls

    def is_chosen() -> bool:
        second.calls.clear()
        return show(both, 4) == {200: 4} and bool(second.calls)

    second.set_healthy("member_level", False)
    wait_until(is_left_out, "the instance that drains gets nothing")
    second.set_healthy("member_level", True)
    wait_until(is_chosen, "it is chosen again")

    wire = wires["member_level"]
    wire.is_open.clear()
    with ThreadPoolExecutor(24) as pool:
        # Calls that are sent to this instance get no answer.
        codes = Counter(pool.map(show_once, [both] * 24))
    assert codes[504] >= 5
    assert codes[504] + codes[200] == 24
    wait_until(lambda: show(both, 20) == {200: 20}, "it gets no calls")
    assert ejections(both) >= 1
    wire.is_open.set()
    wait_until(is_chosen, "it is chosen again")


def test_no_call_fails_when_an_instance_is_gone(both: Gateway, wires: dict[str, Wire]) -> None:
    wires["member_level"].cut()
    # The connection is refused, so the call goes to the other one.
    assert show(both, 60) == {200: 60}


# The other routes have one of these two retry policies, as the next test shows.
READ = ("GET", "/vipBiz/version", "GetRuleBook")
WRITES = [
    ("GET", "/userlevel/7", "InitUser"),
    ("POST", "/upbot/api/auth/GetAccessToken", "GetAccessToken"),
]


@pytest.mark.parametrize(
    ("call", "is_read"), [(READ, True), *((call, False) for call in WRITES)], ids=str
)
def test_a_call_during_which_its_instance_died_is_sent_again_only_if_it_reads(
    both: Gateway,
    upstream: Upstream,
    second: Upstream,
    wires: dict[str, Wire],
    *,
    call: tuple[str, str, str],
    is_read: bool,
) -> None:
    method, url, rpc = call

    def die(_request: Any, _context: grpc.ServicerContext) -> None:
        for wire in wires.values():
            wire.cut()

    second.answers[rpc] = die
    second.calls.clear()
    upstream.calls.clear()
    statuses = []
    while not second.calls:
        statuses.append(both.client.request(method, url).status_code)
    assert statuses[-1] == (200 if is_read else 503)
    assert len(second.calls) == 1
    # The other instance got every other call, and the last one too if it only reads.
    assert len(upstream.calls) == len(statuses) - (not is_read)


# /show reads too, but shares its route settings with calls that write.
SENT_AGAIN = {
    "POST /upbot/api/Check",
    "POST /upbot/api/FindUsers|CountUsers",
    "POST /upbot/api/ListApps",
    "GET /userlevel/history|at|summary/{userId}",
    "GET /members/count|list|search",
    "GET /vipBiz/version",
    "POST /vipBiz/preview",
    "GET /leveldown/atRisk",
    "GET /leveldown/runs",
    "GET /vipBiz/versions",
    "GET shop member.member-level.index",
}


def test_a_call_that_an_instance_may_have_seen_is_sent_again_only_on_routes_that_read() -> None:
    config = yaml.safe_load(render(GatewaySettings()))
    (host,) = virtual_hosts(config)
    assert host["retry_policy"]["retry_on"] == "connect-failure,refused-stream"
    policies = {
        route["name"]: route["route"]["retry_policy"]["retry_on"]
        for route in host["routes"]
        if "retry_policy" in route.get("route", {})
    }
    assert policies == dict.fromkeys(SENT_AGAIN, "connect-failure,refused-stream,reset")


def test_calls_above_the_limit_of_a_service_are_refused_at_once(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.answers["ListRules"] = slow(1.0)
    with (
        running_gateway(tmp_path, upstream.ports, {"max_requests: 1024": "max_requests: 4"}) as few,
        channel_to(few) as channel,
        ThreadPoolExecutor(12) as pool,
    ):

        def timed() -> tuple[int, float, str]:
            started = time.monotonic()
            reply = few.client.get("/show")
            return reply.status_code, time.monotonic() - started, reply.text

        tasks = [pool.submit(timed) for _ in range(12)]
        wait_until(lambda: len(upstream.calls) == 4, "four calls are in progress")
        assert list_rules(channel) == ("RESOURCE_EXHAUSTED", "TOO_MANY_CALLS")
        replies = [task.result() for task in tasks]
        assert Counter(status for status, _, _ in replies) == {200: 4, 503: 8}
        assert max(seconds for status, seconds, _ in replies if status == 503) < 0.9
        assert {text for status, _, text in replies if status == 503} == {
            MEMBER.failure(1000, BUSY)
        }
        assert few.counter("cluster.member_level.upstream_rq_active_overflow") == 9
