"""The rate limit of an app: a burst of one second of calls, and then the rate."""

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelgate.access.v1.reason_pb2 import REASON_APP_RATE_LIMITED
from services.runtime.app_rate import AppRate
from services.runtime.errors import Failure


def taken(rate: AppRate, appid: str, tries: int) -> int:
    count = 0
    for _ in range(tries):
        try:
            rate.take(appid)
        except Failure:
            continue
        count += 1
    return count


def test_an_idle_app_has_a_burst_of_one_second_of_calls_and_then_the_rate() -> None:
    clock = [0.0]
    rate = AppRate(10, now=lambda: clock[0])
    assert taken(rate, "a", 50) == 10
    clock[0] += 0.35
    assert taken(rate, "a", 50) == 3
    clock[0] += 1_000
    assert taken(rate, "a", 50) == 10


def test_each_app_has_a_separate_limit() -> None:
    rate = AppRate(2, now=lambda: 0.0)
    assert [taken(rate, appid, 5) for appid in ("a", "b")] == [2, 2]


def test_a_rate_of_zero_is_no_limit() -> None:
    assert taken(AppRate(0, now=lambda: 0.0), "a", 1_000) == 1_000


@given(st.integers(1, 100), st.lists(st.floats(0, 5), max_size=50))
def test_an_app_is_never_more_than_one_second_of_calls_ahead_of_its_rate(
    limit: int, pauses: list[float]
) -> None:
    clock = [0.0]
    rate = AppRate(limit, now=lambda: clock[0])
    total = 0
    for pause in pauses:
        clock[0] += pause
        total += taken(rate, "a", 150)
    assert total <= limit * (clock[0] + 1) + 1e-6


def test_the_refusal_names_the_rate() -> None:
    rate = AppRate(1, now=lambda: 0.0)
    rate.take("a")
    with pytest.raises(Failure) as raised:
        rate.take("a")
    assert raised.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert raised.value.reason == REASON_APP_RATE_LIMITED
    assert "1 calls a second" in raised.value.message
