"""How work that takes long learns that nobody waits for its answer any more."""

from collections.abc import Callable
from typing import Protocol

import grpc

from levelgate.access.v1.reason_pb2 import REASON_UNSPECIFIED
from services.runtime.errors import Failure


class CallContext(Protocol):
    """The part of a servicer's context that every server implementation offers."""

    def is_active(self) -> bool:
        """False once the caller has left or its deadline has passed."""
        ...

    def time_remaining(self) -> float | None:
        """The seconds until the caller's deadline; None without one."""
        ...

    def add_callback(self, callback: Callable[[], None], /) -> bool:
        """Calls back when the call ends for any reason; False if it has ended already."""
        ...


def require_caller(context: CallContext) -> None:
    """Raises Failure CANCELLED if the caller has left; long work asks between its steps."""
    if not context.is_active():
        raise caller_left()


def caller_left() -> Failure:
    return Failure(grpc.StatusCode.CANCELLED, REASON_UNSPECIFIED, "the caller left")
