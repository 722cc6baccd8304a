"""Limits on how many calls are answered at a time, and the threads for long calls and streams."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from levelgate.access.v1.reason_pb2 import Reason
from services.runtime.errors import Failure
from services.runtime.methods import Kind, Methods
from services.runtime.settings import ServerSettings

# Threads in addition to those of admitted calls; they refuse the calls over the limit.
_SPARE_THREADS = 2


class Admission:
    """Admits up to `most` calls at a time, and refuses any further call immediately."""

    def __init__(self, most: int, reason: "Reason.ValueType", what: str) -> None:
        """`what` names the calls in the message of a refusal, for example "streams"."""
        self._free = threading.BoundedSemaphore(most)
        self._reason = reason
        self._message = f"this instance answers {most} {what} at a time; all are in use"

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Holds a slot for a call. Raises Failure RESOURCE_EXHAUSTED if none is free."""
        if not self._free.acquire(blocking=False):
            raise Failure(self._reason, self._message)
        try:
            yield
        finally:
            self._free.release()


def thread_pools(settings: ServerSettings, methods: Methods) -> dict[Kind, ThreadPoolExecutor]:
    """Returns separate threads for long unary calls and for streams."""
    long = settings.long_calls * max(1, len(methods.of(Kind.LONG)))
    return {
        Kind.LONG: ThreadPoolExecutor(long + _SPARE_THREADS, "long"),
        Kind.STREAM: ThreadPoolExecutor(settings.streams + _SPARE_THREADS, "stream"),
    }
