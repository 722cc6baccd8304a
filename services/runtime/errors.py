"""The one way in which a call fails: a Failure, and the gRPC status that it becomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from levelgate.access.v1.reason_pb2 import (
    REASON_DEADLINE_EXCEEDED,
    REASON_INTERNAL,
    REASON_INVALID_PARAMETER,
    REASON_STORE_UNAVAILABLE,
    Reason,
)
from services.store.client import is_unavailable
from services.store.deadline import DeadlinePassedError

DOMAIN = "levelgate"


@dataclass(frozen=True)
class Violation:
    """What is wrong with one field of a request."""

    field: str
    """The path in the message, as "compare_info.value"."""
    description: str
    """What is accepted and what was given."""
    json_field: str = ""
    """The path as JSON callers spell it."""


@dataclass(eq=False)
class Failure(Exception):  # noqa: N818  (an Error is a bug; this is an answer)
    """A call that is answered with a status instead of a reply.

    The message is for the caller: callers of the JSON door see it where the code is that of a
    business answer (NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION), in the documents' language.
    Made anew for each raise: a shared exception would gather the tracebacks of all calls.
    """

    code: grpc.StatusCode
    reason: "Reason.ValueType"
    message: str
    violations: Sequence[Violation] = field(default=())
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What else a program may want to know, for the ErrorInfo."""


class CallEndedError(Exception):
    """A call that failed, and was counted and logged: the transport sends the status."""

    def __init__(self, status: grpc.Status) -> None:
        super().__init__()
        self.status = status


def invalid(violations: Sequence[Violation]) -> Failure:
    message = "; ".join(f"{each.field}: {each.description}" for each in violations)
    code = grpc.StatusCode.INVALID_ARGUMENT
    return Failure(code, REASON_INVALID_PARAMETER, message, violations)


def as_failure(error: Exception) -> Failure:
    """What a caller may know of an exception: never its text."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, DecodeError):
        # Also where a string is not UTF-8. The decoder does not say which field it is.
        code = grpc.StatusCode.INVALID_ARGUMENT
        return Failure(code, REASON_INVALID_PARAMETER, "the message cannot be decoded")
    if isinstance(error, DeadlinePassedError):
        code = grpc.StatusCode.DEADLINE_EXCEEDED
        return Failure(code, REASON_DEADLINE_EXCEEDED, "the deadline passed")
    if is_unavailable(error):
        return Failure(
            grpc.StatusCode.UNAVAILABLE, REASON_STORE_UNAVAILABLE, "the store does not answer"
        )
    return Failure(grpc.StatusCode.INTERNAL, REASON_INTERNAL, "internal error")


def to_status(failure: Failure, request_id: str) -> grpc.Status:
    """The canonical status, with ErrorInfo, BadRequest and RequestInfo."""
    info = error_details_pb2.ErrorInfo(
        reason=Reason.Name(failure.reason).removeprefix("REASON_"), domain=DOMAIN
    )
    info.metadata.update(failure.metadata)
    details: list[Message] = [info, error_details_pb2.RequestInfo(request_id=request_id)]
    if failure.violations:
        # The gateway prints the field in the envelope; it reads it here.
        info.metadata["field"] = failure.violations[0].json_field
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=each.field, description=each.description
                    )
                    for each in failure.violations
                ]
            )
        )
    status = status_pb2.Status(
        code=code_pb2.Code.Value(failure.code.name),
        message=failure.message,
        details=[_pack(detail) for detail in details],
    )
    return rpc_status.to_status(status)


def _pack(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
