"""The pace of long reads: how much of the store and of this process they may use."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from services.store import deadline

# The pause after a round trip, as a multiple of its duration. Checks are answered meanwhile, by the
# store and by this process. In seconds, the longest pause:
_PAUSE = 1.0
_LONGEST_PAUSE = 0.01
# How often a search that waits for its turn looks whether its caller has left.
_LOOKS_SECONDS = 0.1


# Surrounds one round trip. It calls its argument before, and what that raises stops the work.
Turn = Callable[[Callable[[], None]], AbstractContextManager[None]]


@contextmanager
def at_once(proceed: Callable[[], None]) -> Iterator[None]:
    """The turn of work that has no pace."""
    proceed()
    yield


class Pace:
    """Lets one search of this instance ask the store at a time, and pauses after each round trip.

    However many searches there are, together they use the store like one.
    """

    def __init__(self, wait: Callable[[float], object] = time.sleep) -> None:
        self._wait = wait
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, proceed: Callable[[], None]) -> Iterator[None]:
        """For one round trip. Raises DeadlinePassedError, and what `proceed` raises."""
        while not self._lock.acquire(timeout=deadline.budget(_LOOKS_SECONDS)):
            proceed()
        try:
            proceed()
            started = time.perf_counter()
            yield
            pause = _PAUSE * (time.perf_counter() - started)
            self._wait(min(pause, _LONGEST_PAUSE))
        finally:
            self._lock.release()
