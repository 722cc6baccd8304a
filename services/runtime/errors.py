"""How a call fails: a Failure is raised, and becomes a gRPC status."""

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
from services.runtime.error_catalogue import REASONS, Entry
from services.store.client import is_unavailable
from services.store.deadline import DeadlinePassedError

DOMAIN = "levelgate"

# A status is sent in headers, where the details become a third longer and the message up to three
# times. Clients of grpcio refuse more than 8 KiB of headers. For more than 60 KiB the gateway
# closes its connection to the service, with all other calls on it. In bytes:
_LONGEST_STATUS = 3_072
_LONGEST_MESSAGE = 512
_LONGEST_PART = 256
_MOST_METADATA = 4
# The end of a message, which counts the violations that the message does not name.
_COUNT = len("; and 1000 or more")
# The violations that a status names; the others are only counted.
MOST_VIOLATIONS = 8
# Counting stops here because it takes time: 5,700 violations in nested conditions took 100 ms.
MOST_COUNTED = 1_000


@dataclass(frozen=True)
class Violation:
    """Why one field of a request is refused."""

    field: str
    """The path in the message, for example "compare_info.value"."""
    description: str
    """Which values are accepted and which value was sent."""
    json_field: str = ""
    """The path in the spelling of JSON."""


@dataclass(eq=False)
class Failure(Exception):  # noqa: N818  (an Error is a bug; this is an answer)
    """A call that is answered with a status instead of a reply.

    The error catalogue has the gRPC code of each reason, and its message where a failure gives
    none. Raise a new instance each time: a shared exception would collect the tracebacks of all
    calls.
    """

    reason: "Reason.ValueType"
    message: str = ""
    violations: Sequence[Violation] = field(default=())
    metadata: Mapping[str, str] = field(default_factory=dict)
    """More values for programs, sent in the ErrorInfo."""

    def __post_init__(self) -> None:
        self.message = self.message or self._entry.message

    @property
    def code(self) -> grpc.StatusCode:
        return self._entry.code

    @property
    def _entry(self) -> Entry:
        return REASONS[reason_name(self.reason)]


def reason_name(reason: "Reason.ValueType") -> str:
    """The name as the ErrorInfo and the catalogue have it, for example "USER_NOT_FOUND"."""
    return Reason.Name(reason).removeprefix("REASON_")


class CallEndedError(Exception):
    """A call that failed and has been counted and logged: the transport sends the status."""

    def __init__(self, status: grpc.Status) -> None:
        super().__init__()
        self.status = status


def invalid(violations: Sequence[Violation], more: int = 0) -> Failure:
    """The failure of a request with these violations, and `more` that are only counted.

    The message names as many violations as fit, at least one, and counts the others.
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
    metadata = {"violations": str(total)}
    return Failure(REASON_INVALID_PARAMETER, message, violations, metadata)


def as_failure(error: Exception) -> Failure:
    """The failure that a caller sees for an exception: never the exception's text."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, DecodeError):
        # A string that is not UTF-8 is such an error too. The decoder does not name the field.
        return Failure(REASON_INVALID_PARAMETER, "the message cannot be decoded")
    if isinstance(error, DeadlinePassedError):
        return Failure(REASON_DEADLINE_EXCEEDED)
    if is_unavailable(error):
        return Failure(REASON_STORE_UNAVAILABLE)
    return Failure(REASON_INTERNAL)


def to_status(failure: Failure, request_id: str) -> grpc.Status:
    """The canonical status, with ErrorInfo, BadRequest and RequestInfo, of bounded size."""
    info = error_details_pb2.ErrorInfo(reason=reason_name(failure.reason), domain=DOMAIN)
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
    """The first violations that fit into `most` bytes when they are packed."""
    most -= 64  # for the name of the type and the lengths
    found = error_details_pb2.BadRequest()
    for each in violations[:MOST_VIOLATIONS]:
        found.field_violations.add(field=_cut(each.field), description=_cut(each.description))
        if found.ByteSize() > most:
            del found.field_violations[-1]
            break
    return found


def _cut(text: str, most: int = _LONGEST_PART) -> str:
    """The text, cut to at most `most` bytes of UTF-8."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= most:
        return encoded.decode()
    return encoded[: most - len("…".encode())].decode(errors="ignore") + "…"
