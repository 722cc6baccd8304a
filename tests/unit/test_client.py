"""The client gets, keeps, refreshes and throws away its app's token."""

from typing import Any, cast

import grpc
import pytest

from levelgate.access.v1.access_tokens_pb2 import (
    GetAccessTokenResponse,
    RefreshTokenResponse,
    TokenPair,
)
from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub
from levelgate.client import TokenSource


class RefusedError(grpc.RpcError):
    """What a stub raises."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code


class Issuer:
    """Stands in for AccessTokens: counts what it gave."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refusal: grpc.StatusCode | None = None

    def GetAccessToken(self, request: Any, timeout: float) -> GetAccessTokenResponse:  # noqa: N802, ARG002
        self.calls.append(f"get {request.appid} {request.app_secret}")
        return GetAccessTokenResponse(data=self._pair())

    def RefreshToken(self, request: Any, timeout: float) -> RefreshTokenResponse:  # noqa: N802, ARG002
        self.calls.append(f"refresh {request.refresh_token}")
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


def test_a_token_is_got_once_and_kept(issuer: Issuer) -> None:
    tokens = source(issuer, [0.0])
    assert [tokens.get(), tokens.get()] == ["a1", "a1"]
    assert issuer.calls == ["get app secret"]


def test_it_is_refreshed_before_it_expires(issuer: Issuer) -> None:
    clock = [0.0]
    tokens = source(issuer, clock)
    tokens.get()
    clock[0] = 6_479
    assert tokens.get() == "a1"
    clock[0] = 6_480
    assert tokens.get() == "a2"
    assert issuer.calls == ["get app secret", "refresh r1"]


def test_a_dead_refresh_token_is_replaced_with_the_secret(issuer: Issuer) -> None:
    clock = [0.0]
    tokens = source(issuer, clock)
    tokens.get()
    clock[0] = 7_200
    issuer.refusal = grpc.StatusCode.UNAUTHENTICATED
    assert tokens.get() == "a3"
    assert issuer.calls == ["get app secret", "refresh r1", "get app secret"]


def test_an_issuer_that_is_away_is_told_to_the_caller(issuer: Issuer) -> None:
    clock = [0.0]
    tokens = source(issuer, clock)
    tokens.get()
    clock[0] = 7_200
    issuer.refusal = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(RefusedError):
        tokens.get()


def test_a_refused_token_is_thrown_away_once(issuer: Issuer) -> None:
    tokens = source(issuer, [0.0])
    tokens.forget(tokens.get())
    assert tokens.get() == "a2"
    tokens.forget("a1")
    assert tokens.get() == "a2"
