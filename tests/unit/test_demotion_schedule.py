"""The schedule of demotions."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.member_level.demotion.schedule import Schedule


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("00:00", Schedule(86_400, 0)),
        ("03:30", Schedule(86_400, 12_600)),
        ("23:59", Schedule(86_400, 86_340)),
        ("every 90s", Schedule(90)),
        ("every 15m", Schedule(900)),
        ("every 6h", Schedule(21_600)),
        ("every 2d", Schedule(172_800)),
    ],
)
def test_a_schedule_is_a_time_of_day_or_an_interval(text: str, schedule: Schedule) -> None:
    assert Schedule.parse(text) == schedule


@pytest.mark.parametrize(
    "text",
    ["24:00", "3:30", "03:60", "every 0h", "every h", "6h", "every 6 h", "* * * * *", "０3:30"],
)
def test_any_other_text_is_refused_with_an_explanation(text: str) -> None:
    with pytest.raises(ValueError, match='"03:30", or an interval such as "every 6h"'):
        Schedule.parse(text)


def test_a_daily_run_is_due_at_its_time() -> None:
    daily = Schedule.parse("03:30")
    before, then = daily.slot(at("2026-11-21T03:29:59.9")), daily.slot(at("2026-11-21T03:30:00"))
    assert then == before + 1
    assert daily.slot(at("2026-11-22T03:29:59")) == then


@given(st.integers(1, 200_000), st.integers(0, 86_399), st.floats(1e9, 4e9))
def test_slots_rise_by_one_with_each_period(period: int, offset: int, now: float) -> None:
    schedule = Schedule(period, offset)
    assert schedule.slot(now + period) == schedule.slot(now) + 1
