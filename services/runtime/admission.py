"""A limit on how many calls of a kind are answered at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from levelgate.access.v1.reason_pb2 import Reason
from services.runtime.errors import Failure


class Admission:
    """Admits up to `most` calls at a time, and refuses any further call immediately."""

    def __init__(self, most: int, reason: "Reason.ValueType", what: str) -> None:
        """`what` names the calls in the message of a refusal, for example "streams"."""
        self._free = threading.BoundedSemaphore(most)
        self._reason = reason
        self._message = (
            f"this instance answers {most} {what} at a time, and all of these are in progress"
        )

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Holds a slot for a call. Raises Failure RESOURCE_EXHAUSTED if none is free."""
        if not self._free.acquire(blocking=False):
            raise Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, self._reason, self._message)
        try:
            yield
        finally:
            self._free.release()
