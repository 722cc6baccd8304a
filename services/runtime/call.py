"""What is known of the call that a thread is answering."""

import re
import uuid
from collections.abc import Sequence
from contextvars import ContextVar
from functools import cached_property
from typing import NamedTuple

import grpc

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Caller(NamedTuple):
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


class Call:
    """What a caller sent beside the request."""

    def __init__(
        self,
        method: str,
        sent_request_id: str,
        authorization: Sequence[str],
        seconds_left: float | None,
    ) -> None:
        self.method = method
        self.authorization = authorization
        self.seconds_left = seconds_left
        self._sent_request_id = sent_request_id

    @classmethod
    def of(cls, method: str, context: grpc.ServicerContext) -> "Call":
        request_id, authorization = "", []
        for key, value in context.invocation_metadata():
            if key == "authorization":
                authorization.append(str(value))
            elif key == "x-request-id":
                request_id = str(value)
        return cls(method, request_id, authorization, context.time_remaining())

    @cached_property
    def request_id(self) -> str:
        """The caller's, or one of ours. Asked for only where something is logged or refused."""
        if _REQUEST_ID.fullmatch(self._sent_request_id):
            return self._sent_request_id
        return str(uuid.uuid4())
