"""How many calls of a kind are answered at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from levelgate.access.v1.reason_pb2 import Reason
from services.runtime.errors import Failure


class Admission:
    """Lets `most` calls in, and refuses the next one at once."""

    def __init__(self, most: int, reason: "Reason.ValueType", what: str) -> None:
        """`what` names the calls in the message of a refusal, as "streams"."""
        self._free = threading.BoundedSemaphore(most)
        self._reason = reason
        self._message = f"this instance answers {most} {what} at a time; all are in use"

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Raises Failure RESOURCE_EXHAUSTED where no slot is free."""
        if not self._free.acquire(blocking=False):
            raise Failure(self._reason, self._message)
        try:
            yield
        finally:
            self._free.release()
