"""Calls of MemberBulk on member_level's own port, and the token for them."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, NamedTuple

import grpc
from pydantic import StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub
from levelgate.client import TokenSource
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from operations.commands.running import NOT_RUNNING, running_stack
from services.runtime.settings import load

DEFAULT_ADDRESS = "127.0.0.1:50052"
DEFAULT_TOKEN_ADDRESS = "127.0.0.1:8080"  # noqa: S105 - the gateway of `make run`

# Twenty thousand rejects with their reasons.
_LARGEST_REPLY = 64 * 1_048_576
# gRPC repeats a call only while it still has all of its messages: those of one import call.
_RETRY_BUFFER = 64 * 1_048_576

_ADVICE = {
    grpc.StatusCode.UNAVAILABLE: "member_level does not answer at {address}: set LEVELGATE_ADDRESS",
    grpc.StatusCode.UNAUTHENTICATED: "the token is refused; it may have expired: get a new one",
    grpc.StatusCode.PERMISSION_DENIED: "the app needs the scope member:write for an import and"
    " member:read for an export",
    grpc.StatusCode.FAILED_PRECONDITION: "there are no rules yet, so no level can be given; create"
    " them first",
    grpc.StatusCode.UNIMPLEMENTED: "{address} is not member_level's own port; imports and exports"
    " are not available through the gateway",
}

# gRPC would print any other text of a header in its error message.
Text = Annotated[str, StringConstraints(strip_whitespace=True, pattern="^[ -~]*$")]


class Connection(BaseSettings):
    """The variables LEVELGATE_*. They are not options: other users can see a command's options."""

    model_config = SettingsConfigDict(env_prefix="LEVELGATE_", env_ignore_empty=True)

    address: Text = ""
    token: Text = ""
    appid: Text = ""
    app_secret: Text = ""
    token_address: Text = DEFAULT_TOKEN_ADDRESS


def connection() -> Connection:
    """Without an address, the service and the token of the `make run` in this directory."""
    given = load(Connection)
    if given.address:
        return given
    running = running_stack()
    address = running.get("grpc", {}).get("member_level", DEFAULT_ADDRESS)
    token = given.token
    if not (given.appid and given.app_secret):
        token = token or running.get("token", "")
    return given.model_copy(update={"address": address, "token": token})


class Bulk(NamedTuple):
    """The calls, and the token that each of them needs."""

    stub: MemberBulkStub
    token: Callable[[], str]

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """For each call separately, because a long import outlives a token."""
        return (("authorization", self.token()),)


@contextmanager
def bulk(where: Connection, retry_seconds: float) -> Iterator[Bulk]:
    """Opens the channel. Ends the process with one line if there is no token."""
    # Up to four retries within this time: the pauses are 1, 2, 4 and 8 fifteenths of it.
    policy = {
        "maxAttempts": 5,
        "initialBackoff": f"{max(retry_seconds / 15, 0.001):.3f}s",
        "maxBackoff": f"{max(retry_seconds, 0.001):.3f}s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
    }
    config = {"methodConfig": [{"name": [{}], "retryPolicy": policy}]}
    options = [
        ("grpc.max_receive_message_length", _LARGEST_REPLY),
        ("grpc.per_rpc_retry_buffer_size", _RETRY_BUFFER),
        ("grpc.service_config", json.dumps(config)),
    ]
    with (
        grpc.insecure_channel(where.token_address) as token_channel,
        grpc.insecure_channel(where.address, options=options) as channel,
    ):
        yield Bulk(MemberBulkStub(channel), _token(where, token_channel))


def _token(where: Connection, channel: grpc.Channel) -> Callable[[], str]:
    if where.token:
        return lambda: where.token
    if not (where.appid and where.app_secret):
        hint = "set" if os.environ.get("LEVELGATE_ADDRESS") else NOT_RUNNING
        sys.exit(f"no token: {hint} LEVELGATE_TOKEN, or LEVELGATE_APPID and LEVELGATE_APP_SECRET")
    target = where.token_address
    tokens = TokenSource(AccessTokensStub(channel), where.appid, where.app_secret, target=target)
    try:
        # The first token is fetched here, so that a failure is reported as one of the token.
        tokens.get()
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNAUTHENTICATED:
            sys.exit(f"{target} refuses LEVELGATE_APPID with LEVELGATE_APP_SECRET: check both")
        sys.exit(f"no token from {target}: {error.code().name}; see LEVELGATE_TOKEN_ADDRESS")
    return tokens.get


def advice(error: grpc.RpcError, address: str) -> str:
    """One line that says what went wrong and what to do, without a secret."""
    code = error.code()
    if code in _ADVICE:
        return _ADVICE[code].format(address=address)
    return " ".join(f"{code.name}: {error.details()}".split())
