"""The way to member_level's own port, and the token for it."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import grpc

from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub
from levelgate.client import TokenSource
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from operations.commands.running import NOT_RUNNING, running_stack

DEFAULT_ADDRESS = "127.0.0.1:50052"
DEFAULT_TOKEN_ADDRESS = "127.0.0.1:8080"  # noqa: S105, the gateway of `make run`
# Twenty thousand rejects with their reasons.
_LARGEST_REPLY = 64 * 1_048_576


class Bulk(NamedTuple):
    """The calls, and the token that goes along with each."""

    stub: MemberBulkStub
    token: Callable[[], str]

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Asked for anew with each call: a long import outlives a token."""
        return (("authorization", self.token()),)


@contextmanager
def bulk(address: str, token_address: str | None) -> Iterator[Bulk]:
    """Opens the way; without a token that can be had the process ends with one line."""
    options = [("grpc.max_receive_message_length", _LARGEST_REPLY)]
    with (
        _token(token_address) as token,
        grpc.insecure_channel(address, options=options) as channel,
    ):
        yield Bulk(MemberBulkStub(channel), token)


def address_of(option: str | None) -> str:
    """Where member_level is: as told, else where the `make run` here has it."""
    return option or _variable("LEVELGATE_ADDRESS") or _summary().get("address") or DEFAULT_ADDRESS


@contextmanager
def _token(token_address: str | None) -> Iterator[Callable[[], str]]:
    """The token comes from LEVELGATE_TOKEN, or with LEVELGATE_APPID and LEVELGATE_APP_SECRET from
    `token_address`, or from the `make run` that is running here. None of them is an argument:
    arguments are there for everybody to see.
    """
    given = _variable("LEVELGATE_TOKEN")
    appid, secret = _variable("LEVELGATE_APPID"), _variable("LEVELGATE_APP_SECRET")
    if not given and appid and secret:
        target = token_address or _variable("LEVELGATE_TOKEN_ADDRESS") or DEFAULT_TOKEN_ADDRESS
        with grpc.insecure_channel(target) as channel:
            tokens = TokenSource(AccessTokensStub(channel), appid, secret, target=target)
            _try(tokens, target)
            yield tokens.get
        return
    token = given or _summary().get("token")
    if not token:
        hint = "set" if _variable("LEVELGATE_ADDRESS") else NOT_RUNNING
        sys.exit(f"no token: {hint} LEVELGATE_TOKEN, or LEVELGATE_APPID and LEVELGATE_APP_SECRET")
    yield lambda: token


def _try(tokens: TokenSource, target: str) -> None:
    """The first one is got here, so that what is wrong is told as a matter of tokens."""
    try:
        tokens.get()
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNAUTHENTICATED:
            sys.exit(f"{target} refuses LEVELGATE_APPID with LEVELGATE_APP_SECRET: check both")
        sys.exit(f"no token from {target}: {error.code().name}; --token-address says where to ask")


def _variable(name: str) -> str:
    """Raises SystemExit where it cannot be sent; grpc would print it in its complaint."""
    value = os.environ.get(name, "").strip()
    if not (value.isascii() and value.isprintable()):
        sys.exit(f"{name} holds characters that it cannot have: set it anew")
    return value


def _summary() -> Mapping[str, str]:
    """Of the `make run` here, unless another stack is meant: its token is no use there."""
    if _variable("LEVELGATE_ADDRESS"):
        return {}
    try:
        summary = running_stack()
        return {
            "address": str(summary["grpc"]["member_level"]),
            "token": str(summary["token"]),
        }
    except (KeyError, TypeError):
        return {}
