"""How far the demotion has come: one state for all calls of this instance that follow it."""

import math
import threading
import time
from collections.abc import Callable

from services.member_level.demotion.runs import DemotionRuns, Run

# How often the store is asked about a run that another instance drives, however many follow it.
_LOOK_SECONDS = 0.1


class RunProgress:
    """The driver of this instance notes each state; what it does not note is read from the store.

    A state belongs to the moment at which its note or its read began: a follower that began its
    run after that moment must not take the state of the run before it for the end of its own.
    """

    def __init__(self, runs: DemotionRuns) -> None:
        self.runs = runs
        self._changed = threading.Condition()
        self._run: Run | None = None
        self._since = -math.inf
        self._is_reading = False

    def note(self, run: Run | None, since: float) -> None:
        with self._changed:
            self._run, self._since = run, since
            self._changed.notify_all()

    def wake(self) -> None:
        """Makes everybody who waits ask again whether it is over."""
        with self._changed:
            self._changed.notify_all()

    def next(self, since: float, is_over: Callable[[], bool]) -> tuple[Run | None, float] | None:
        """Waits for a state that is newer than `since`; returns it and its moment.

        None if it is over first, which is asked whenever this is woken and every _LOOK_SECONDS.
        Raises redis.RedisError.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._since > since or is_over(), _LOOK_SECONDS)
                if is_over():
                    return None
                if self._since > since:
                    return self._run, self._since
                if self._is_reading:
                    continue
                self._is_reading = True
            try:
                started = time.monotonic()
                self.note(self.runs.current(), started)
            finally:
                self._is_reading = False
