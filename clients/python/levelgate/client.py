"""A channel to levelgate that sends an app's token with each call.

from levelgate.client import connect
from levelgate.upbot.v1.upbot_checks_pb2 import CheckUserXYLevelRequest
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksStub

with connect("127.0.0.1:8080", appid="demo", app_secret="...") as channel:
    checks = UpbotChecksStub(channel)
    print(checks.CheckUserXYLevel(CheckUserXYLevelRequest(openid="3dfg4df", level=[1, 3])))
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc

from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub
from levelgate.deferred import DeferredCall
from levelgate.tokens import TokenError, TokenSource

__all__ = ["TokenError", "TokenSource", "connect"]


@contextmanager
def connect(  # noqa: PLR0913 - independent settings, passed by name
    target: str,
    *,
    appid: str,
    app_secret: str,
    token_target: str | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    options: Sequence[tuple[str, str | int]] = (),
) -> Iterator[grpc.Channel]:
    """Opens a channel that sends the app's access token with each call.

    `target` is the gateway or a service, as "host:port". Tokens come from `token_target`
    (upbot_checks or the gateway), by default from `target`. The connection is not encrypted unless
    `credentials` are given. `options` are grpc's options for the channel to `target`.

    The first call fetches the token. The token is replaced in the background before it expires,
    and thrown away when a call is refused with UNAUTHENTICATED; the next call then fetches a new
    one. A call's `timeout` and `wait_for_ready` apply to the fetch as well. A call that was not
    sent because there is no token, for example after a wrong secret, fails with TokenError, which
    is a grpc.RpcError.
    """
    with (
        _open(target, credentials, options) as channel,
        _open(token_target or target, credentials) as issuer,
    ):
        tokens = TokenSource(
            AccessTokensStub(issuer), appid, app_secret, target=token_target or target
        )
        yield grpc.intercept_channel(channel, _AddsToken(tokens))


class _Details(NamedTuple):
    """The details of a call with changes; grpc's own class can be neither created nor changed."""

    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any

    @classmethod
    def of(cls, call: Any, timeout: float | None, metadata: Any) -> "_Details":
        return cls(
            call.method,
            timeout,
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
        timeout = call_details.timeout
        deadline = None if timeout is None else time.monotonic() + timeout

        def send(token: str) -> Any:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            metadata = [*(call_details.metadata or ()), ("authorization", token)]
            call = continuation(_Details.of(call_details, left, metadata), request)
            call.add_done_callback(lambda done: self._notice_refusal(done, token))
            return call

        def get_token(given_up: Callable[[], bool]) -> str:
            waits = bool(call_details.wait_for_ready)
            return self._tokens.get(timeout, wait_for_ready=waits, given_up=given_up)

        if token := self._tokens.ready():
            return send(token)
        return DeferredCall(get_token, send, deadline)

    def _notice_refusal(self, done: Any, token: str) -> None:
        if done.code() is grpc.StatusCode.UNAUTHENTICATED:
            self._tokens.forget(token)

    # The same code serves the four kinds of calls.
    intercept_unary_unary = _intercept  # type: ignore[assignment]
    intercept_unary_stream = _intercept  # type: ignore[assignment]
    intercept_stream_unary = _intercept  # type: ignore[assignment]
    intercept_stream_stream = _intercept  # type: ignore[assignment]


def _open(
    target: str,
    credentials: grpc.ChannelCredentials | None,
    options: Sequence[tuple[str, str | int]] = (),
) -> grpc.Channel:
    # grpc would look it up as a host name, and wait for the result.
    if target.lower().startswith(("http://", "https://")):
        raise ValueError(f'the target must be as "host:port", without http://; got {target!r}')
    if credentials is None:
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, credentials, options)
