"""The current state of the run, shared by all calls of this instance that follow it."""

import math
import threading
import time
from collections.abc import Callable

from services.member_level.demotion.run import Run
from services.member_level.demotion.run_store import RunStore

# How often the store is asked about a run that another instance carries out. The number of calls
# that follow the run does not matter.
_POLL_SECONDS = 0.1


class RunProgress:
    """The worker of this instance publishes each state; of another's run the store is read.

    Each state carries the time at which its publication or its read began. A follower ignores
    states from before its own run began: one of them may be the end of the previous run.
    """

    def __init__(self, runs: RunStore) -> None:
        self.runs = runs
        self._changed = threading.Condition()
        self._run: Run | None = None
        self._since = -math.inf
        self._is_reading = False

    def publish(self, run: Run | None, since: float) -> None:
        with self._changed:
            self._run, self._since = run, since
            self._changed.notify_all()

    def wake(self) -> None:
        """Makes every waiting follower check again whether it is finished."""
        with self._changed:
            self._changed.notify_all()

    def next(
        self, since: float, is_finished: Callable[[], bool]
    ) -> tuple[Run | None, float] | None:
        """Waits for a state that is newer than `since`; returns it and its time.

        Returns None once `is_finished` is true, which is checked at every wake-up and every
        _POLL_SECONDS. Raises redis.RedisError.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._since > since or is_finished(), _POLL_SECONDS)
                if is_finished():
                    return None
                if self._since > since:
                    return self._run, self._since
                if self._is_reading:
                    continue
                self._is_reading = True
            try:
                started = time.monotonic()
                self.publish(self.runs.current(), started)
            finally:
                self._is_reading = False
