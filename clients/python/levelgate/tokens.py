"""An app's access token: all waiting calls share one fetch, and it is replaced in time."""

import copy
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import grpc

from levelgate.access.v1.access_tokens_pb2 import (
    GetAccessTokenRequest,
    RefreshTokenRequest,
    TokenPair,
)
from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub

# The longest time of one fetch, independent of the timeouts of the calls that wait for it.
_FETCH_SECONDS = 5.0
# After this part of its life, a token is replaced in the background. Calls still use it.
_REFRESHED_AFTER = 0.8
# After this part of its life, a token is not used, because it might expire before it arrives.
_USABLE_PART = 0.95

# grpc's timer may end a call a moment before this clock reaches its deadline.
_TIMERS_DIFFER = 0.05


class TokenError(grpc.RpcError):
    """A call was not sent because there was no token for it.

    Code, details and trailing metadata are those of `rpc`, the call that fetches the token.
    """

    def __init__(
        self, code: grpc.StatusCode, details: str, rpc: str = "GetAccessToken", metadata: Any = ()
    ) -> None:
        super().__init__(code, details, rpc, metadata)
        self.rpc = rpc
        self._code, self._details, self._metadata = code, details, metadata

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._metadata

    def __str__(self) -> str:
        return f"not sent, as there is no token: {self.rpc}: {self._code.name}: {self._details}"


# A token, the error of the fetch, or None if the fetch got no answer in time.
_Outcome = str | TokenError | None


class TokenSource:
    """An app's access token, for many threads at a time."""

    def __init__(
        self,
        stub: AccessTokensStub,
        appid: str,
        app_secret: str,
        now: Callable[[], float] = time.monotonic,
        target: str = "the token service",
    ) -> None:
        """`target` is the address of the stub and only appears in errors."""
        self._stub = stub
        self._target = target
        self._request = GetAccessTokenRequest(
            appid=appid, app_secret=app_secret, grant_type="client_credentials"
        )
        self._now = now
        self._lock = threading.Lock()
        self._pair: TokenPair | None = None
        self._refreshed_from = 0.0
        self._usable_until = 0.0
        # By wait_for_ready: a call that must fail immediately cannot share a fetch that waits.
        self._fetches: dict[bool, Future[_Outcome]] = {}

    def ready(self) -> str | None:
        """The token, or None if there is no usable one. Never waits."""
        with self._lock:
            now = self._now()
            if self._pair is None or now >= self._usable_until:
                return None
            if now >= self._refreshed_from:
                self._fetch(wait_for_ready=False)
            return self._pair.access_token

    def get(
        self,
        timeout: float | None = None,
        *,
        wait_for_ready: bool = False,
        given_up: Callable[[], bool] = lambda: False,
    ) -> str:
        """Returns a valid token. Raises TokenError if it cannot be fetched within `timeout`.

        Without a timeout it waits for one fetch. With `wait_for_ready` it waits until a fetch
        succeeds or `given_up` returns true.
        """
        started = time.monotonic()
        deadline = None if timeout is None else started + timeout
        while True:
            if token := self.ready():
                return token
            with self._lock:
                fetch = self._fetch(wait_for_ready=wait_for_ready)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                outcome = fetch.result(left)
            except TimeoutError:
                raise self._no_answer(started) from None
            if isinstance(outcome, str):
                return outcome
            if isinstance(outcome, TokenError):
                # Each caller gets its own exception, because raising it changes it.
                raise copy.copy(outcome)
            # Try again while there is time: that fetch may have begun long before this call.
            if given_up() or (deadline is None and not wait_for_ready):
                raise self._no_answer(started)

    def _no_answer(self, started: float) -> TokenError:
        waited = time.monotonic() - started
        return TokenError(
            grpc.StatusCode.DEADLINE_EXCEEDED,
            f"no answer from {self._target} within {waited:.1f} seconds",
        )

    def forget(self, token: str) -> None:
        """Throws the token away, unless it was replaced in the meantime."""
        with self._lock:
            if self._pair is not None and self._pair.access_token == token:
                self._pair = None

    def _fetch(self, *, wait_for_ready: bool) -> Future[_Outcome]:
        """The current fetch or a new one. The caller must hold the lock."""
        if wait_for_ready not in self._fetches:
            thread = threading.Thread(target=self._run, args=(wait_for_ready, self._pair))
            thread.daemon = True
            thread.start()
            self._fetches[wait_for_ready] = Future()
        return self._fetches[wait_for_ready]

    def _run(self, wait_for_ready: bool, pair: TokenPair | None) -> None:
        asked = self._now()
        answer = self._renewed(pair, wait_for_ready)
        with self._lock:
            if isinstance(answer, TokenPair):
                self._pair = answer
                self._refreshed_from = asked + _REFRESHED_AFTER * answer.expires_in
                self._usable_until = asked + _USABLE_PART * answer.expires_in
            else:
                # Not with the next call: calls are still sent with the current token.
                self._refreshed_from = asked + _FETCH_SECONDS
            fetch = self._fetches.pop(wait_for_ready)
        fetch.set_result(answer.access_token if isinstance(answer, TokenPair) else answer)

    def _renewed(
        self, pair: TokenPair | None, wait_for_ready: bool
    ) -> TokenPair | TokenError | None:
        until = time.monotonic() + _FETCH_SECONDS
        if pair is not None:
            request = RefreshTokenRequest(
                appid=self._request.appid,
                refresh_token=pair.refresh_token,
                grant_type="refresh_token",
            )
            answer = self._answer("RefreshToken", request, until, wait_for_ready)
            is_refused = isinstance(answer, TokenError) and (
                answer.code() is grpc.StatusCode.UNAUTHENTICATED
            )
            if not is_refused:
                return answer
        return self._answer("GetAccessToken", self._request, until, wait_for_ready)

    def _answer(
        self, rpc: str, request: Any, until: float, wait_for_ready: bool
    ) -> TokenPair | TokenError | None:
        left = max(0.0, until - time.monotonic())
        try:
            call = getattr(self._stub, rpc)
            pair: TokenPair = call(request, timeout=left, wait_for_ready=wait_for_ready).data
        except grpc.RpcError as error:
            is_over = time.monotonic() > until - _TIMERS_DIFFER
            if is_over and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return None
            details = error.details() or ""
            return TokenError(error.code(), details, rpc, error.trailing_metadata())
        except (
            Exception
        ) as error:  # Waiting calls must get it; for example, the channel was closed.
            return TokenError(grpc.StatusCode.CANCELLED, type(error).__name__, rpc)
        return pair
