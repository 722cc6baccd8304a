"""The times at which a demotion starts by itself: a time of day or an interval. Does no I/O."""

import re
from dataclasses import dataclass
from typing import Self

_DAY = 86_400
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_INTERVAL = re.compile(r"every ([1-9][0-9]{0,4})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": _DAY}


@dataclass(frozen=True)
class Schedule:
    """Times are counted from 1970 in UTC, so all instances compute the same ones."""

    period: int
    """Seconds between two runs."""
    offset: int = 0
    """Seconds after a multiple of the period."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads "03:30" (daily, UTC) or "every 90s|15m|6h|2d". Raises ValueError."""
        if found := _TIME_OF_DAY.fullmatch(text):
            return cls(_DAY, int(found[1]) * 3_600 + int(found[2]) * 60)
        if found := _INTERVAL.fullmatch(text):
            return cls(int(found[1]) * _SECONDS[found[2]])
        raise ValueError(
            'must be a time of day in UTC such as "03:30", or an interval such as "every 6h"'
        )

    def slot(self, now: float) -> int:
        """The number of the last run that was due; it rises by one with each run."""
        return int(now - self.offset) // self.period
