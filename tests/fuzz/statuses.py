"""Checks a gRPC status: its code must be caused by the caller, and it must have the details."""

import base64
import binascii

from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from services.runtime.error_catalogue import REASONS

_FAULTS = {"UNKNOWN", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
# The number of long calls and streams is limited; a batch may exceed it.
_OVER_A_LIMIT = {"TOO_MANY_CALLS", "TOO_MANY_STREAMS", "MESSAGE_TOO_LARGE"}
# gRPC's libraries refuse a call with more than 8 KiB of trailers, the details in base64 among them.
_LONGEST = 6_000


def wrong_with(code: int, message: str, packed: bytes | None, *, has_deadline: bool) -> str | None:
    """What is wrong with the end of a call; None if nothing is."""
    if code == 0:
        return None
    if code not in code_pb2.Code.values():
        return f"no canonical code: {code}"
    name = code_pb2.Code.Name(code)
    if name in _FAULTS or (name == "DEADLINE_EXCEEDED" and not has_deadline):
        return f"{name}: {message}"
    return _wrong_size(name, message, packed) or _wrong_details(name, packed or b"")


def _wrong_size(name: str, message: str, packed: bytes | None) -> str | None:
    if packed is None:
        return f"{name} without details: {message}"
    if len(packed) > _LONGEST or len(message) > _LONGEST:
        return f"{name} with a message or details of more than {_LONGEST} bytes"
    return None


def wrong_fault(code: int, message: str, packed: bytes | None) -> str | None:
    """The same where INTERNAL is right; its message must not reveal the cause."""
    if code != code_pb2.INTERNAL:
        return wrong_with(code, message, packed, has_deadline=False)
    if message != REASONS["INTERNAL"].message or packed is None:
        return f"INTERNAL says {message!r}"
    return _wrong_details("INTERNAL", packed)


def from_header(value: str) -> bytes | None:
    """The contents of grpc-status-details-bin; None if it is no base64."""
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return None


def _wrong_details(name: str, packed: bytes) -> str | None:
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
    try:
        status = status_pb2.Status.FromString(packed)
    except DecodeError:
        return f"{name}: the details are no Status"
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(request)
    if code_pb2.Code.Name(status.code) != name:
        return f"{name}: the details say {status.code}"
    if info.domain != "levelgate" or info.reason not in REASONS:
        return f"{name}: ErrorInfo is {info.domain!r} {info.reason!r}"
    if not request.request_id:
        return f"{name} {info.reason} without a RequestInfo"
    if name == "RESOURCE_EXHAUSTED" and info.reason not in _OVER_A_LIMIT:
        return f"{name} {info.reason} below every limit"
    return None
