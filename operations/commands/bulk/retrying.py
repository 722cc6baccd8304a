"""How long a service that is away is waited for."""

import threading
import time
from collections.abc import Callable

import grpc

_CODES = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


class Patience:
    """Waits longer each time, up to so many seconds in all since the service last answered."""

    def __init__(
        self, seconds: float, say: Callable[[str], None], stopped: threading.Event | None = None
    ) -> None:
        self._seconds = seconds
        self._say = say
        self._stopped = stopped or threading.Event()
        self.renew()

    def renew(self) -> None:
        """The service answered."""
        self._until = time.monotonic() + self._seconds
        self._pause = _SHORTEST_PAUSE

    def wait_or_raise(self, error: grpc.RpcError) -> None:
        """Raises the error where another try makes no sense, or none is left."""
        left = self._until - time.monotonic()
        if error.code() not in _CODES or left <= 0:
            raise error
        pause = min(self._pause, left)
        self._say(f"{error.code().name}; trying again in {pause:.1f} s, for {left:.0f} s more")
        if self._stopped.wait(pause):
            raise error
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
