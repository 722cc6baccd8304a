"""The way to member_level's own port, and the token for it."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensStub
from levelgate.client import TokenSource
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub

DEFAULT_ADDRESS = "127.0.0.1:50052"
SUMMARY = Path(".run/stack.json")
# Twenty thousand rejects with their reasons.
_LARGEST_REPLY = 64 * 1_048_576


class Bulk(NamedTuple):
    """The calls, and what goes along with each."""

    stub: MemberBulkStub
    metadata: tuple[tuple[str, str], ...]


@contextmanager
def bulk(address: str | None, token_address: str | None) -> Iterator[Bulk]:
    """Opens the way; without a token that can be had the process ends with one line.

    The token comes from LEVELGATE_TOKEN, or with LEVELGATE_APPID and LEVELGATE_APP_SECRET from
    `token_address`, or from the `make run` that is running here. None of them is an argument:
    arguments are there for everybody to see.
    """
    summary = _summary()
    target = address or summary.get("address") or DEFAULT_ADDRESS
    token = os.environ.get("LEVELGATE_TOKEN") or _app_token(token_address) or summary.get("token")
    if not token:
        sys.exit("no token: set LEVELGATE_TOKEN, or LEVELGATE_APPID and LEVELGATE_APP_SECRET")
    options = [("grpc.max_receive_message_length", _LARGEST_REPLY)]
    with grpc.insecure_channel(target, options=options) as channel:
        yield Bulk(MemberBulkStub(channel), (("authorization", token),))


def explained(error: grpc.RpcError, address: str) -> str:
    """What went wrong in one line, without a secret."""
    code = error.code()
    reason, fields = _details(error)
    if code is grpc.StatusCode.UNAVAILABLE:
        return f"member_level does not answer at {address}; --address says where it is"
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return "the token is refused; it may have expired: get another one"
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return "the app must have the scope member:write to import, member:read to export"
    if reason == "NO_RULES":
        return "there are no rules yet, so no level can be given; create them first"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return (
            f"{address} is not member_level's own port; imports and exports are not on the gateway"
        )
    return f"{code.name} {reason}: {fields or error.details()}"


def _details(error: grpc.RpcError) -> tuple[str, str]:
    status = rpc_status.from_call(cast(grpc.Call, error))
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in [] if status is None else status.details:
        detail.Unpack(info)
        detail.Unpack(request)
    wrong = (f"{each.field}: {each.description}" for each in request.field_violations)
    return info.reason, "; ".join(wrong)


def _summary() -> dict[str, str]:
    try:
        summary = json.loads(SUMMARY.read_text())
        return {"address": summary["grpc"]["member_level"], "token": summary["token"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _app_token(token_address: str | None) -> str | None:
    appid = os.environ.get("LEVELGATE_APPID")
    secret = os.environ.get("LEVELGATE_APP_SECRET")
    if not appid or not secret:
        return None
    target = token_address or "127.0.0.1:8080"
    try:
        with grpc.insecure_channel(target) as channel:
            return TokenSource(AccessTokensStub(channel), appid, secret).get()
    except grpc.RpcError as error:
        sys.exit(f"no token from {target}: {error.code().name}; --token-address says where to ask")
