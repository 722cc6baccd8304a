"""The deadline of the call that a thread is answering, for everything below it to obey."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


class DeadlinePassedError(Exception):
    """There is no time left to ask the store."""


def begin(seconds: float | None) -> None:
    """Gives what follows in this context this many seconds; None sets no limit.

    Nothing takes it back: for threads that begin each call with it, as those of unary calls do.
    """
    _deadline.set(None if seconds is None else time.monotonic() + seconds)


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Gives what happens inside this many seconds; None sets no limit."""
    token = _deadline.set(None if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def budget(limit: float) -> float:
    """The seconds that one step may take: `limit`, or less if the deadline is nearer.

    Raises DeadlinePassedError when nothing is left.
    """
    deadline = _deadline.get()
    if deadline is None:
        return limit
    left = deadline - time.monotonic()
    if left <= 0:
        raise DeadlinePassedError
    return min(limit, left)
