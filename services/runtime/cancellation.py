"""Long work checks regularly whether its caller is still waiting for the answer."""

from levelgate.access.v1.reason_pb2 import REASON_CANCELLED
from services.runtime.call import Context
from services.runtime.errors import Failure


def require_caller(context: Context) -> None:
    """Raises Failure CANCELLED if the caller has left. To be called between steps of long work."""
    if not context.is_active():
        raise caller_left()


def caller_left() -> Failure:
    return Failure(REASON_CANCELLED)
