"""How many calls an app may make at one instance.

It stands here and not in Envoy: an app has up to twenty tokens, and only the service knows whose
a token is. The gateway's own limit, for everybody together, is Envoy's.
"""

import threading
import time
from collections.abc import Callable

from levelgate.access.v1.reason_pb2 import REASON_APP_RATE_LIMITED
from services.runtime.errors import Failure


class AppRate:
    """A token bucket for each app: `rate` calls a second, and after a pause so many at once."""

    def __init__(self, rate: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._now = now
        self._lock = threading.Lock()
        # Calls left, and when that was true. Only apps that exist get here, so it stays small.
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, appid: str) -> None:
        """Takes one call. Raises Failure RESOURCE_EXHAUSTED where none is left."""
        if not self._rate:
            return
        now = self._now()
        with self._lock:
            left, since = self._left.get(appid, (float(self._rate), now))
            left = min(float(self._rate), left + (now - since) * self._rate)
            is_left = left >= 1
            self._left[appid] = (left - is_left, now)
        if not is_left:
            message = f"an app may make {self._rate} calls a second here"
            raise Failure(REASON_APP_RATE_LIMITED, message)
