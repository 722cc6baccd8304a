"""A call, its caller, and its context."""

import re
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import cached_property
from typing import NamedTuple, Protocol

import grpc

SPELLINGS = "x-levelgate-spellings"
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Caller(NamedTuple):
    """The app or the member that the token belongs to; both are None for a call without a token."""

    appid: str | None = None
    member: str | None = None
    generation: str = ""
    """Of the app: a deleted app may have had the same id."""


ANYBODY = Caller()

_caller: ContextVar[Caller] = ContextVar("caller", default=ANYBODY)


def current_caller() -> Caller:
    """The caller of the call that this thread is answering."""
    return _caller.get()


def current_app() -> str:
    """The app whose token was sent; "" for a call without a token."""
    return _caller.get().appid or ""


def set_current_caller(caller: Caller) -> None:
    _caller.set(caller)


class Call:
    """The metadata of a call."""

    def __init__(
        self,
        method: str,
        sent_request_id: str,
        authorization: Sequence[str],
        seconds_left: float | None,
        spellings: str = "",
    ) -> None:
        """`spellings` is what the gateway noted about a JSON request: tolerances.py."""
        self.method = method
        self.authorization = authorization
        self.spellings = spellings
        self.seconds_left = seconds_left
        self._sent_request_id = sent_request_id

    @classmethod
    def of(cls, method: str, context: grpc.ServicerContext) -> "Call":
        """Reads the metadata from grpcio's context."""
        request_id, authorization, spellings = "", [], ""
        for key, value in context.invocation_metadata():
            if key == "authorization":
                authorization.append(str(value))
            elif key == "x-request-id":
                request_id = str(value)
            elif key == SPELLINGS:
                spellings = str(value)
        return cls(method, request_id, authorization, context.time_remaining(), spellings)

    @cached_property
    def request_id(self) -> str:
        """The caller's, or a new one if the caller sent none that is valid.

        Computed on demand, because only calls that are logged or refused need it.
        """
        if _REQUEST_ID.fullmatch(self._sent_request_id):
            return self._sent_request_id
        return str(uuid.uuid4())


class Context(Protocol):
    """The part of grpc.ServicerContext that the pipeline and the servicers use."""

    def is_active(self) -> bool: ...
    def time_remaining(self) -> float | None: ...
    def add_callback(self, callback: Callable[[], None]) -> bool: ...


class CallContext:
    """A context for servicers that run without a grpcio server."""

    def __init__(self, seconds_left: float | None) -> None:
        self._ends = None if seconds_left is None else time.monotonic() + seconds_left
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] | None = []
        self.code: grpc.StatusCode = grpc.StatusCode.OK
        self.initial_metadata: list[tuple[str, str]] = []
        """Sent before the first message."""

    def is_active(self) -> bool:
        """False once the call was answered or cancelled, or its caller disconnected."""
        return self._callbacks is not None

    def time_remaining(self) -> float | None:
        return None if self._ends is None else max(0.0, self._ends - time.monotonic())

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Registers a callback for the end of the call; returns False if it has ended."""
        with self._lock:
            if self._callbacks is None:
                return False
            self._callbacks.append(callback)
            return True

    def end(self) -> None:
        """Ends the call, and runs the callbacks."""
        with self._lock:
            callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()

    def send_initial_metadata(self, metadata: Sequence[tuple[str, str]]) -> None:
        """Sent with the first message; a call that fails sends no initial metadata."""
        self.initial_metadata += metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        """Used by the servicer of gRPC health, which does not raise."""
        self.code = code

    def set_details(self, details: str) -> None:
        """Ignored: only built-in servicers set details, and the code is enough."""
