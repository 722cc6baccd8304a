"""What is known of the call that a thread is answering."""

import re
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import cached_property
from typing import NamedTuple, Protocol, cast

import grpc

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Caller(NamedTuple):
    """Whom the token speaks for. Neither: nobody, in a family that is open."""

    appid: str | None = None
    member: str | None = None
    generation: str = ""
    """Of the app: another one may have had its name."""


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
        """From what grpcio knows of a call."""
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


class Context(Protocol):
    """The part of grpc.ServicerContext that the pipeline and the servicers use."""

    def is_active(self) -> bool: ...
    def time_remaining(self) -> float | None: ...
    def add_callback(self, callback: Callable[[], None]) -> bool: ...


class OwnContext:
    """A context for servicers where no grpcio server makes one.

    Health's servicer also sets a code and details instead of raising.
    """

    def __init__(self, seconds_left: float | None) -> None:
        self._ends = None if seconds_left is None else time.monotonic() + seconds_left
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] | None = []
        self.code: grpc.StatusCode = grpc.StatusCode.OK
        self.initial_metadata: list[tuple[str, str]] = []
        """What the transport sends before the first message."""

    def for_servicers(self) -> grpc.ServicerContext:
        """As the generated signatures want it."""
        return cast(grpc.ServicerContext, self)

    def is_active(self) -> bool:
        """False once the call has ended: answered, cancelled, or left by its caller."""
        return self._callbacks is not None

    def time_remaining(self) -> float | None:
        return None if self._ends is None else max(0.0, self._ends - time.monotonic())

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Calls back when the call ends; False, and no call back, if it has ended."""
        with self._lock:
            if self._callbacks is None:
                return False
            self._callbacks.append(callback)
            return True

    def end(self) -> None:
        """Says that the call is over, to everybody who waits for that."""
        with self._lock:
            callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()

    def send_initial_metadata(self, metadata: Sequence[tuple[str, str]]) -> None:
        """Goes with the first message; a call that fails sends none."""
        self.initial_metadata += metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        """Only built-in servicers set details, and a code says as much."""
