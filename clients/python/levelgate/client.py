"""A channel to levelgate that carries an app's token.

from levelgate.client import connect
from levelgate.upbot.v1.upbot_checks_pb2 import CheckUserXYLevelRequest
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksStub

with connect("127.0.0.1:8080", appid="demo", app_secret="...") as channel:
    checks = UpbotChecksStub(channel)
    print(checks.CheckUserXYLevel(CheckUserXYLevelRequest(openid="3dfg4df", level=[1, 3])))
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc

from levelgate.access.v1.access_tokens_pb2 import (
    GetAccessTokenRequest,
    RefreshTokenRequest,
    TokenPair,
)
from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub

_TOKEN_TIMEOUT = 5.0
# A token is replaced in the last tenth of its life, so that none expires on its way.
_USABLE_PART = 0.9


@contextmanager
def connect(
    target: str,
    *,
    appid: str,
    app_secret: str,
    token_target: str | None = None,
    credentials: grpc.ChannelCredentials | None = None,
) -> Iterator[grpc.Channel]:
    """Opens a channel whose every call carries the app's access token.

    `target` is the gateway or a service, as "host:port"; tokens come from `token_target`
    (upbot_checks or the gateway), which is `target` if not given. Plain text unless
    `credentials` are given. The token is got with the first call, refreshed before it expires,
    and thrown away when a call is refused with UNAUTHENTICATED, so that the next one gets a new
    one. A wrong secret shows as grpc.RpcError UNAUTHENTICATED on the first call.
    """
    with (
        _open(target, credentials) as channel,
        _open(token_target or target, credentials) as issuer,
    ):
        tokens = TokenSource(AccessTokensStub(issuer), appid, app_secret)
        yield grpc.intercept_channel(channel, _AddsToken(tokens))


class TokenSource:
    """An app's access token, for many threads at once."""

    def __init__(
        self,
        stub: AccessTokensStub,
        appid: str,
        app_secret: str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = stub
        self._appid = appid
        self._app_secret = app_secret
        self._now = now
        self._lock = threading.Lock()
        self._pair: TokenPair | None = None
        self._usable_until = 0.0

    def get(self) -> str:
        """A token that is good for a while. Raises grpc.RpcError if none can be had."""
        with self._lock:
            if self._pair is None or self._now() >= self._usable_until:
                self._pair = self._renewed(self._pair)
                self._usable_until = self._now() + _USABLE_PART * self._pair.expires_in
            return self._pair.access_token

    def forget(self, token: str) -> None:
        """Throws the token away, unless it was replaced in the meantime."""
        with self._lock:
            if self._pair is not None and self._pair.access_token == token:
                self._pair = None

    def _renewed(self, pair: TokenPair | None) -> TokenPair:
        if pair is not None:
            try:
                return self._refresh(pair)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                    raise
        request = GetAccessTokenRequest(
            appid=self._appid, app_secret=self._app_secret, grant_type="client_credentials"
        )
        return self._stub.GetAccessToken(request, timeout=_TOKEN_TIMEOUT).data

    def _refresh(self, pair: TokenPair) -> TokenPair:
        request = RefreshTokenRequest(
            appid=self._appid, refresh_token=pair.refresh_token, grant_type="refresh_token"
        )
        return self._stub.RefreshToken(request, timeout=_TOKEN_TIMEOUT).data


class _Details(NamedTuple):
    """A call's details with other metadata; grpc's own class cannot be made or changed."""

    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any

    @classmethod
    def of(cls, call: Any, metadata: Any) -> "_Details":
        return cls(
            call.method,
            call.timeout,
            metadata,
            call.credentials,
            call.wait_for_ready,
            call.compression,
        )


class _AddsToken(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens

    def _intercept(self, continuation: Any, call_details: Any, request: Any) -> Any:
        token = self._tokens.get()
        metadata = [*(call_details.metadata or ()), ("authorization", token)]
        call = continuation(_Details.of(call_details, metadata), request)

        def notice_refusal(done: Any) -> None:
            if done.code() is grpc.StatusCode.UNAUTHENTICATED:
                self._tokens.forget(token)

        call.add_done_callback(notice_refusal)
        return call

    # One body serves all four shapes of a call.
    intercept_unary_unary = _intercept  # type: ignore[assignment]
    intercept_unary_stream = _intercept  # type: ignore[assignment]
    intercept_stream_unary = _intercept  # type: ignore[assignment]
    intercept_stream_stream = _intercept  # type: ignore[assignment]


def _open(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
    if credentials is None:
        return grpc.insecure_channel(target)
    return grpc.secure_channel(target, credentials)
