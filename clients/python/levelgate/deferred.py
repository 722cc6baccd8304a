"""A call that is sent as soon as it has a token, and can be cancelled before."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Any, Self

import grpc

from levelgate.tokens import TokenError

THREAD_NAME = "levelgate-deferred-call"


class DeferredCall(grpc.Call, grpc.Future):  # type: ignore[type-arg]  # generic only in its stub
    """Stands for a call that is not sent yet. Each method waits if it has to.

    `get_token` waits in a thread, as grpc does for its own call credentials, which cannot be used
    here because grpc refuses to send them unencrypted. It gets a function that returns whether the
    call was cancelled.
    """

    def __init__(
        self,
        get_token: Callable[[Callable[[], bool]], str],
        send: Callable[[str], Any],
        deadline: float | None,
    ) -> None:
        self._get_token = get_token
        self._send = send
        self._deadline = deadline
        self._sent: Future[Any] = Future()
        threading.Thread(target=self._run, name=THREAD_NAME, daemon=True).start()

    def _run(self) -> None:
        try:
            token = self._get_token(self._sent.cancelled)
        except TokenError as error:
            if self._sent.set_running_or_notify_cancel():
                self._sent.set_exception(error)
            return
        if self._sent.set_running_or_notify_cancel():
            try:
                self._sent.set_result(self._send(token))
            except Exception as error:  # For example because the channel was closed.
                self._sent.set_exception(error)

    def _call(self, timeout: float | None = None) -> Any:
        """The call, or the error because of which it was not sent."""
        try:
            return self._sent.result(timeout)
        except TokenError as error:
            return error
        except CancelledError:
            return TokenError(grpc.StatusCode.CANCELLED, "cancelled by the application")
        except TimeoutError:
            raise grpc.FutureTimeoutError from None

    def _outcome(self, name: str, timeout: float | None) -> Any:
        """What the call's method returns; waiting for token and call takes at most the timeout."""
        until = None if timeout is None else time.monotonic() + timeout
        call = self._call(timeout)
        if self._sent.cancelled():
            raise grpc.FutureCancelledError
        if isinstance(call, TokenError):
            return call
        return getattr(call, name)(None if until is None else max(0.0, until - time.monotonic()))

    def result(self, timeout: float | None = None) -> Any:
        outcome = self._outcome("result", timeout)
        if isinstance(outcome, TokenError):
            raise outcome
        return outcome

    def exception(self, timeout: float | None = None) -> Any:
        return self._outcome("exception", timeout)

    def traceback(self, timeout: float | None = None) -> TracebackType | None:
        outcome = self._outcome("traceback", timeout)
        return outcome.__traceback__ if isinstance(outcome, TokenError) else outcome

    def cancel(self) -> bool:
        if self._sent.cancel():
            return True
        call = self._call()
        return not isinstance(call, TokenError) and bool(call.cancel())

    def _is(self, name: str, *, before: bool, without: bool) -> bool:
        """What the call's method returns; `before` it is sent, and `without` a token."""
        if not self._sent.done():
            return before
        call = self._call()
        return without if isinstance(call, TokenError) else bool(getattr(call, name)())

    def cancelled(self) -> bool:
        return self._is("cancelled", before=False, without=self._sent.cancelled())

    def running(self) -> bool:
        return self._is("running", before=True, without=False)

    def done(self) -> bool:
        return self._is("done", before=False, without=True)

    def is_active(self) -> bool:
        return self._is("is_active", before=True, without=False)

    def time_remaining(self) -> Any:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        def when_sent(_sent: Future[Any]) -> None:
            call = self._call()
            if isinstance(call, TokenError):
                fn(self)
            else:
                call.add_done_callback(lambda _call: fn(self))

        self._sent.add_done_callback(when_sent)

    def add_callback(self, callback: Callable[[], None]) -> bool:
        is_active = self.is_active()
        if is_active:
            self.add_done_callback(lambda _call: callback())
        return is_active

    def code(self) -> Any:
        return self._call().code()

    def details(self) -> Any:
        return self._call().details()

    def initial_metadata(self) -> Any:
        call = self._call()
        return () if isinstance(call, TokenError) else call.initial_metadata()

    def trailing_metadata(self) -> Any:
        return self._call().trailing_metadata()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        call = self._call()
        if isinstance(call, TokenError):
            raise call
        return next(call)
