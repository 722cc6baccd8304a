"""The deadline of the call that a thread is answering; everything that waits obeys it."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


class DeadlinePassedError(Exception):
    """The deadline has passed, so the store is not asked."""


def begin(seconds: float | None) -> None:
    """Sets the deadline of the current context to this many seconds from now; None for no limit.

    The deadline stays until it is set again, so call this only where the context is private to
    one call, or where each call begins with it, as in the threads of unary calls.
    """
    _deadline.set(None if seconds is None else time.monotonic() + seconds)


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Sets the deadline for a block to this many seconds from now; None for no limit."""
    token = _deadline.set(None if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def budget(limit: float) -> float:
    """The seconds that one step may take: `limit`, or less if the deadline is nearer.

    Raises DeadlinePassedError if the deadline has passed.
    """
    deadline = _deadline.get()
    if deadline is None:
        return limit
    left = deadline - time.monotonic()
    if left <= 0:
        raise DeadlinePassedError
    return min(limit, left)


def require_time_left() -> None:
    """Raises DeadlinePassedError if the deadline has passed."""
    budget(math.inf)
