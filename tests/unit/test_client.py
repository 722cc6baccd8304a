"""The client fetches, keeps, refreshes and throws away its app's token."""

import threading
from typing import Any, cast

import grpc
import pytest

from levelgate.access.v1.access_tokens_pb2 import (
    GetAccessTokenResponse,
    RefreshTokenResponse,
    TokenPair,
)
from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub
from levelgate.client import TokenError, TokenSource, connect
from tests.stack.waiting import until


class RefusedError(grpc.RpcError):
    """The error that a stub raises."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "refused"

    def trailing_metadata(self) -> Any:
        return ()


class Issuer:
    """A stand-in for AccessTokens that records its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refusal: grpc.StatusCode | None = None
        self.is_open = threading.Event()
        self.is_open.set()

    def GetAccessToken(self, request: Any, **_options: Any) -> GetAccessTokenResponse:  # noqa: N802
        self.calls.append(f"get {request.appid} {request.app_secret}")
        return GetAccessTokenResponse(data=self._pair())

    def RefreshToken(self, request: Any, **_options: Any) -> RefreshTokenResponse:  # noqa: N802
        self.calls.append(f"refresh {request.refresh_token}")
        assert self.is_open.wait(10)
        if self.refusal is not None:
            raise RefusedError(self.refusal)
        return RefreshTokenResponse(data=self._pair())

    def _pair(self) -> TokenPair:
        number = len(self.calls)
        return TokenPair(access_token=f"a{number}", refresh_token=f"r{number}", expires_in=7200)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def source(issuer: Issuer, clock: list[float]) -> TokenSource:
    return TokenSource(cast(AccessTokensStub, issuer), "app", "secret", now=lambda: clock[0])


def test_a_token_is_fetched_once_and_kept(issuer: Issuer) -> None:
    tokens = source(issuer, [0.0])
    assert [tokens.get(), tokens.get()] == ["a1", "a1"]
    assert issuer.calls == ["get app secret"]


def test_a_token_is_refreshed_in_the_background_before_it_expires(issuer: Issuer) -> None:
    clock = [0.0]
    tokens = source(issuer, clock)
    tokens.get()
    issuer.is_open.clear()
    clock[0] = 5_759
    assert tokens.get() == "a1"
    assert len(issuer.calls) == 1
    clock[0] = 5_760
    assert [tokens.get(), tokens.get()] == ["a1", "a1"]
    issuer.is_open.set()
    until(lambda: tokens.get() == "a2", "the token is replaced")
    assert issuer.calls == ["get app secret", "refresh r1"]


def fail_to_refresh(issuer: Issuer, tokens: TokenSource, clock: list[float]) -> None:
    tokens.get()
    clock[0] = 5_760
    assert tokens.get() == "a1"
    until(lambda: len(issuer.calls) > 1 and not tokens._fetches, "the refresh was refused")


def test_a_token_is_used_until_its_end_if_it_cannot_be_refreshed(issuer: Issuer) -> None:
    clock, issuer.refusal = [0.0], grpc.StatusCode.UNAVAILABLE
    tokens = source(issuer, clock)
    fail_to_refresh(issuer, tokens, clock)
    # The issuer is not asked again with each call.
    assert [tokens.get(), tokens.get()] == ["a1", "a1"]
    assert len(issuer.calls) == 2
    clock[0] = 6_840
    with pytest.raises(TokenError) as refused:
        tokens.get()
    assert (refused.value.code(), refused.value.rpc) == (issuer.refusal, "RefreshToken")


def test_a_new_token_is_fetched_with_the_secret_if_the_refresh_token_is_refused(
    issuer: Issuer,
) -> None:
    clock, issuer.refusal = [0.0], grpc.StatusCode.UNAUTHENTICATED
    tokens = source(issuer, clock)
    fail_to_refresh(issuer, tokens, clock)
    assert tokens.get() == "a3"
    assert issuer.calls == ["get app secret", "refresh r1", "get app secret"]


def test_a_token_is_thrown_away_only_while_it_is_the_current_one(issuer: Issuer) -> None:
    tokens = source(issuer, [0.0])
    tokens.forget(tokens.get())
    assert tokens.get() == "a2"
    tokens.forget("a1")
    assert tokens.get() == "a2"


@pytest.mark.parametrize(
    ("target", "token_target"),
    [("http://127.0.0.1:8080", None), ("127.0.0.1:8080", "HTTPS://gateway")],
)
def test_a_url_is_refused_as_a_target(target: str, token_target: str | None) -> None:
    with (
        pytest.raises(ValueError, match='must be as "host:port", without http'),
        connect(target, appid="app", app_secret="secret", token_target=token_target),
    ):
        pass
