"""Calls of MemberBulk on member_level's own port, and the token for them."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from pydantic_settings import BaseSettings, SettingsConfigDict

from levelgate.client import TokenError, connect
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from operations.commands.running import NOT_RUNNING, running_stack
from services.runtime.settings import load

# gRPC repeats a call up to four times, after pauses of about 1, 2, 4 and 8 seconds.
RETRIES = {
    "maxAttempts": 5,
    "initialBackoff": "1s",
    "maxBackoff": "8s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
}
# Twenty thousand rejects with their reasons.
_LARGEST_REPLY = 64 * 1_048_576
# gRPC repeats a call only while it still has all of its messages: those of one import call.
_RETRY_BUFFER = 64 * 1_048_576

_ADVICE = {
    grpc.StatusCode.UNAVAILABLE: "member_level does not answer at {address}: set LEVELGATE_ADDRESS",
    grpc.StatusCode.PERMISSION_DENIED: "the app needs the scope member:write for an import and"
    " member:read for an export",
    grpc.StatusCode.FAILED_PRECONDITION: "there are no rules yet, so no level can be given; create"
    " them first",
    grpc.StatusCode.UNIMPLEMENTED: "{address} is not member_level's own port; imports and exports"
    " are not available through the gateway",
}


class Connection(BaseSettings):
    """The variables LEVELGATE_*. They are not options: other users can see a command's options."""

    model_config = SettingsConfigDict(
        env_prefix="LEVELGATE_", env_ignore_empty=True, str_strip_whitespace=True
    )

    address: str = ""
    token_address: str = "127.0.0.1:8080"  # noqa: S105 - the gateway of `make run`
    appid: str = ""
    app_secret: str = ""


def connection() -> Connection:
    """Without an address, the service and the app of the `make run` in this directory."""
    given = load(Connection)
    running = {} if given.address else running_stack()
    if running:
        return Connection(
            address=running["grpc"]["member_level"],
            token_address=running["gateway"].removeprefix("http://"),
            **running["app"],
        )
    wanted = "LEVELGATE_APPID and LEVELGATE_APP_SECRET"
    if not given.address:
        sys.exit(f"{NOT_RUNNING} LEVELGATE_ADDRESS, {wanted}")
    if not (given.appid and given.app_secret):
        sys.exit(f"no token: set {wanted}")
    return given


@contextmanager
def member_bulk(where: Connection) -> Iterator[MemberBulkStub]:
    config = {"methodConfig": [{"name": [{}], "retryPolicy": RETRIES}]}
    options: list[tuple[str, str | int]] = [
        ("grpc.max_receive_message_length", _LARGEST_REPLY),
        ("grpc.per_rpc_retry_buffer_size", _RETRY_BUFFER),
        ("grpc.service_config", json.dumps(config)),
    ]
    with connect(
        where.address,
        appid=where.appid,
        app_secret=where.app_secret,
        token_target=where.token_address,
        options=options,
    ) as channel:
        yield MemberBulkStub(channel)


def advice(error: grpc.RpcError, where: Connection) -> str:
    """One line that says what went wrong and what to do, without a secret."""
    code = error.code()
    if isinstance(error, TokenError):
        hint = "check LEVELGATE_APPID, LEVELGATE_APP_SECRET and LEVELGATE_TOKEN_ADDRESS"
        return f"no token from {where.token_address}: {code.name}; {hint}"
    if code in _ADVICE:
        return _ADVICE[code].format(address=where.address)
    return " ".join(f"{code.name}: {error.details()}".split())
