"""When a demotion runs by itself: a daily time, or a pace. Pure."""

import re
from dataclasses import dataclass
from typing import Self

_DAY = 86_400
_DAILY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_PACE = re.compile(r"every ([1-9][0-9]{0,4})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": _DAY}


@dataclass(frozen=True)
class Schedule:
    """All times are counted from 1970 in UTC, so every instance finds the same ones."""

    period: int
    """Seconds between two runs."""
    offset: int = 0
    """Seconds after a multiple of the period."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "03:30", daily in UTC, or "every 90s|15m|6h|2d". Raises ValueError."""
        if daily := _DAILY.fullmatch(text):
            return cls(_DAY, int(daily[1]) * 3_600 + int(daily[2]) * 60)
        if pace := _PACE.fullmatch(text):
            return cls(int(pace[1]) * _SECONDS[pace[2]])
        raise ValueError('must be a time of day in UTC as "03:30", or a pace as "every 6h"')

    def slot(self, now: float) -> int:
        """The number of the run that was due last; it rises by one with each."""
        return int(now - self.offset) // self.period
