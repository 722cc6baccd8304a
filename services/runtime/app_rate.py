"""The rate limit of each app, at one instance.

The service enforces it and not Envoy, because an app has up to twenty tokens, and only the service
knows which app a token belongs to. The limit for all callers together is the gateway's.
"""

import threading
import time
from collections.abc import Callable

from levelgate.access.v1.reason_pb2 import REASON_APP_RATE_LIMITED
from services.runtime.errors import Failure


class AppRate:
    """A token bucket for each app: `rate` calls a second, and bursts of as many calls."""

    def __init__(self, rate: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._now = now
        self._lock = threading.Lock()
        # The calls left, and the time of that count. Only existing apps have an entry, so it stays
        # small.
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, appid: str) -> None:
        """Counts one call. Raises Failure RESOURCE_EXHAUSTED if the app has none left."""
        if not self._rate:
            return
        now = self._now()
        with self._lock:
            left, since = self._left.get(appid, (float(self._rate), now))
            left = min(float(self._rate), left + (now - since) * self._rate)
            is_left = left >= 1
            self._left[appid] = (left - is_left, now)
        if not is_left:
            message = f"an app may make {self._rate} calls a second at one instance"
            raise Failure(REASON_APP_RATE_LIMITED, message)
