"""Calls of MemberBulk on member_level's own port, and the token for them."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub
from levelgate.client import TokenSource
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from operations.commands.running import NOT_RUNNING, running_stack

DEFAULT_ADDRESS = "127.0.0.1:50052"
DEFAULT_TOKEN_ADDRESS = "127.0.0.1:8080"  # noqa: S105 - the gateway of `make run`

# Twenty thousand rejects with their reasons.
_LARGEST_REPLY = 64 * 1_048_576
# gRPC repeats a call only while it still has all of its messages: those of one chunk.
_RETRY_BUFFER = 64 * 1_048_576

_ADVICE = {
    grpc.StatusCode.UNAVAILABLE: "member_level does not answer at {address}: see --address",
    grpc.StatusCode.UNAUTHENTICATED: "the token is refused; it may have expired: get a new one",
    grpc.StatusCode.PERMISSION_DENIED: "the app needs the scope member:write for an import and"
    " member:read for an export",
    grpc.StatusCode.UNIMPLEMENTED: "{address} is not member_level's own port; imports and exports"
    " are not available through the gateway",
}


class Bulk(NamedTuple):
    """The calls, and the token that each of them needs."""

    stub: MemberBulkStub
    token: Callable[[], str]

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """For each call separately, because a long import outlives a token."""
        return (("authorization", self.token()),)


@contextmanager
def bulk(address: str, token_address: str | None, retry_seconds: float) -> Iterator[Bulk]:
    """Opens the channel. Ends the process with one line if there is no token."""
    options = [
        ("grpc.max_receive_message_length", _LARGEST_REPLY),
        ("grpc.per_rpc_retry_buffer_size", _RETRY_BUFFER),
        ("grpc.service_config", _retry_policy(retry_seconds)),
    ]
    with (
        _token(token_address) as token,
        grpc.insecure_channel(address, options=options) as channel,
    ):
        yield Bulk(MemberBulkStub(channel), token)


def _retry_policy(seconds: float) -> str:
    """Up to four retries within about `seconds`: the pauses are 1, 2, 4 and 8 fifteenths of it."""
    policy = {
        "maxAttempts": 5,
        "initialBackoff": f"{max(seconds / 15, 0.001):.3f}s",
        "maxBackoff": f"{max(seconds, 0.001):.3f}s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
    }
    return json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})


def advice(error: grpc.RpcError, address: str) -> str:
    """One line that says what went wrong and what to do, without a secret."""
    code = error.code()
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    try:
        status = rpc_status.from_call(cast(grpc.Call, error))
    except ValueError:
        # Something between us and the service made up the error.
        status = None
    for detail in status.details if status else ():
        detail.Unpack(info)
        detail.Unpack(request)
    if info.reason == "NO_RULES":
        return "there are no rules yet, so no level can be given; create them first"
    if code in _ADVICE:
        return _ADVICE[code].format(address=address)
    wrong = "; ".join(f"{each.field}: {each.description}" for each in request.field_violations)
    return " ".join(f"{code.name} {info.reason}: {wrong or error.details()}".split())


def address_of(option: str | None) -> str:
    """Where member_level is: the option, the variable, or the `make run` of this directory."""
    return option or _variable("LEVELGATE_ADDRESS") or _running().get("address") or DEFAULT_ADDRESS


@contextmanager
def _token(token_address: str | None) -> Iterator[Callable[[], str]]:
    """From LEVELGATE_TOKEN, from `token_address` for LEVELGATE_APPID with LEVELGATE_APP_SECRET, or
    from the running `make run`. There is no option for it: other users can see arguments.
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
    token = given or _running().get("token")
    if not token:
        hint = "set" if _variable("LEVELGATE_ADDRESS") else NOT_RUNNING
        sys.exit(f"no token: {hint} LEVELGATE_TOKEN, or LEVELGATE_APPID and LEVELGATE_APP_SECRET")
    yield lambda: token


def _try(tokens: TokenSource, target: str) -> None:
    """Gets the first token here, so that a failure is reported as one of the token."""
    try:
        tokens.get()
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNAUTHENTICATED:
            sys.exit(f"{target} refuses LEVELGATE_APPID with LEVELGATE_APP_SECRET: check both")
        sys.exit(f"no token from {target}: {error.code().name}; see --token-address")


def _variable(name: str) -> str:
    """Ends the process if it cannot be sent; grpc would print it in its error message."""
    value = os.environ.get(name, "").strip()
    if not (value.isascii() and value.isprintable()):
        sys.exit(f"{name} contains characters that are not allowed: set it again")
    return value


def _running() -> Mapping[str, str]:
    """Address and token of the running `make run`, unless another stack is meant."""
    if _variable("LEVELGATE_ADDRESS"):
        return {}
    try:
        running = running_stack()
        return {"address": str(running["grpc"]["member_level"]), "token": str(running["token"])}
    except (KeyError, TypeError):
        return {}
