"""The one way in which a call fails: a Failure, and the gRPC status that it becomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import grpc
from google.protobuf.message import DecodeError
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

# A status travels in headers. The gateway ends the whole connection to a service that sends more
# than 60 KiB of them, with the calls of everybody on it, and clients of grpcio refuse 8 KiB. There
# the details are a third longer, and the message up to three times. In bytes:
_LONGEST_STATUS = 3_072
_LONGEST_MESSAGE = 512
_LONGEST_PART = 256
_MOST_METADATA = 4
# The end of a message that counts what it does not name.
_COUNT = len("; and 1000 or more")
# In a status; what is wrong beside them is counted.
MOST_VIOLATIONS = 8
# Counting takes time: 5,700 violations in nested conditions took 100 ms.
MOST_COUNTED = 1_000


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


def invalid(violations: Sequence[Violation], more: int = 0) -> Failure:
    """What is wrong with a request: the first violations, and how many more there are.

    The message has as many as fit, at least one, and counts the others.
    """
    message, named = "", 0
    total = len(violations) + more
    for each in violations:
        one = f"{'; ' if named else ''}{_cut(each.field)}: {_cut(each.description)}"
        if named and len(f"{message}{one}".encode()) > _LONGEST_MESSAGE - _COUNT:
            break
        message, named = message + one, named + 1
    if named < total:
        or_more = " or" if more == MOST_COUNTED else ""
        message = f"{_cut(message, _LONGEST_MESSAGE - _COUNT)}; and {total - named}{or_more} more"
    code = grpc.StatusCode.INVALID_ARGUMENT
    metadata = {"violations": str(total)}
    return Failure(code, REASON_INVALID_PARAMETER, message, violations, metadata)


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
    """The canonical status, with ErrorInfo, BadRequest and RequestInfo, of bounded size."""
    info = error_details_pb2.ErrorInfo(
        reason=Reason.Name(failure.reason).removeprefix("REASON_"), domain=DOMAIN
    )
    for name, value in islice(failure.metadata.items(), _MOST_METADATA):
        info.metadata[_cut(name, 64)] = _cut(value, 128)
    if failure.violations:
        # The gateway prints the field in the envelope; it reads it here.
        info.metadata["field"] = _cut(failure.violations[0].json_field)
    status = status_pb2.Status(
        code=code_pb2.Code.Value(failure.code.name),
        message=_cut(failure.message, _LONGEST_MESSAGE),
    )
    status.details.add().Pack(info)
    status.details.add().Pack(error_details_pb2.RequestInfo(request_id=_cut(request_id)))
    if failure.violations:
        left = _LONGEST_STATUS - status.ByteSize()
        status.details.add().Pack(_bad_request(failure.violations, left))
    return rpc_status.to_status(status)


def _bad_request(violations: Sequence[Violation], most: int) -> error_details_pb2.BadRequest:
    """The first violations, in at most so many bytes when they are packed."""
    most -= 64  # The name of the type, and lengths.
    found = error_details_pb2.BadRequest()
    for each in violations[:MOST_VIOLATIONS]:
        found.field_violations.add(field=_cut(each.field), description=_cut(each.description))
        if found.ByteSize() > most:
            del found.field_violations[-1]
            break
    return found


def _cut(text: str, most: int = _LONGEST_PART) -> str:
    """A text in at most so many bytes of UTF-8."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= most:
        return encoded.decode()
    return encoded[: most - len("…".encode())].decode(errors="ignore") + "…"
