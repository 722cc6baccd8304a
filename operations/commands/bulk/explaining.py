"""What went wrong with a call, in one line that says what to do, without a secret."""

from typing import cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


def explained(error: grpc.RpcError, address: str) -> str:
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
    return " ".join(f"{code.name} {reason}: {fields or error.details()}".split())


def _details(error: grpc.RpcError) -> tuple[str, str]:
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    try:
        status = rpc_status.from_call(cast(grpc.Call, error))
    except ValueError:
        # Its details and its status contradict each other: something between made the error.
        return "", ""
    for detail in [] if status is None else status.details:
        detail.Unpack(info)
        detail.Unpack(request)
    wrong = (f"{each.field}: {each.description}" for each in request.field_violations)
    return info.reason, "; ".join(wrong)
