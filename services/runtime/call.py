"""What is known of the call that a thread is answering."""

import re
import uuid
from contextvars import ContextVar
from dataclasses import dataclass

import grpc

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True)
class Caller:
    """Whom the token speaks for. Neither: nobody, in a family that is open."""

    appid: str | None = None
    member: str | None = None


ANYBODY = Caller()

_caller: ContextVar[Caller] = ContextVar("caller", default=ANYBODY)


def current_caller() -> Caller:
    """Who made the call that this thread is answering."""
    return _caller.get()


def current_app() -> str:
    """The app whose token made the call; "" for nobody."""
    return _caller.get().appid or ""


def set_current_caller(caller: Caller) -> None:
    _caller.set(caller)


@dataclass(frozen=True)
class Call:
    """What a caller sent beside the request."""

    method: str
    request_id: str
    authorization: tuple[str, ...]
    seconds_left: float | None

    @classmethod
    def of(cls, method: str, context: grpc.ServicerContext) -> "Call":
        request_id, authorization = "", []
        for key, value in context.invocation_metadata():
            if key == "authorization":
                authorization.append(str(value))
            elif key == "x-request-id":
                request_id = str(value)
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = str(uuid.uuid4())
        return cls(method, request_id, tuple(authorization), context.time_remaining())
