"""Sends inputs, and says what is wrong with the answers."""

import re
from collections.abc import Iterator, Mapping, Sequence

from google.rpc import code_pb2

from tests.fuzz import envelopes, http1, statuses
from tests.fuzz.envelopes import HttpReply
from tests.fuzz.inputs import GrpcInput, HttpInput, PipelineInput, fill
from tests.fuzz.pipelines import Pipelines
from tests.fuzz.place import Place
from tests.support import raw_calls

# Health and reflection come from libraries: their NOT_FOUND has no details.
_OF_LIBRARIES = {code_pb2.NOT_FOUND, code_pb2.CANCELLED}
_NO_PATH = re.compile(rb"[^!-~]|#")
_GRPC = re.compile(rb"application/grpc(\+.*)?")


class Http:
    """JSON through the gateway."""

    def __init__(self, place: Place) -> None:
        self._address, self._secrets = place.address("gateway"), place.secrets

    def wrong_with(self, inputs: Sequence[HttpInput]) -> Iterator[str | None]:
        """For each input what is wrong with its answer; None if nothing is."""
        requests = [
            http1.whole(
                fill(each.head, self._secrets), fill(each.body, self._secrets), each.framing
            )
            for each in inputs
        ]
        if inputs[0].framing == "raw":
            yield from map(_wrong_raw, http1.raw_answers_to(self._address, requests))
        else:
            yield from map(_wrong_reply, requests, http1.answers_to(self._address, requests))


def _wrong_reply(request: bytes, reply: HttpReply | None) -> str | None:
    if reply is None:
        return "no answer"
    if reply.headers.get("content-type", "").startswith("application/grpc"):
        if b"content-type: application/grpc" not in request:
            return "gRPC for JSON"
        if "grpc-status" not in reply.headers:
            is_path = not _NO_PATH.search(request.split(b" ", 2)[1])
            return f"HTTP {reply.status} without grpc-status" if is_path else None
        return _wrong_status({b":path": b""}, reply.headers)
    method, _, rest = request.partition(b"\r\n")[0].partition(b" ")
    path = rest.rpartition(b" ")[0].strip().partition(b"?")[0].decode("latin-1")
    if path.startswith("http://"):
        path = "/" + path[7:].partition("/")[2]
    return envelopes.wrong_with(reply, path, is_head=method == b"HEAD")


def _wrong_raw(answer: bytes) -> str | None:
    """Bytes that are no request may get no answer, but no fault."""
    while answer:
        head, separator, rest = answer.partition(b"\r\n\r\n")
        if not separator:
            return None
        try:
            status, headers = http1.parsed_head(head)
        except (ValueError, IndexError):
            return f"no HTTP: {head[:100]!r}"
        if envelopes.is_fault(status, rest):
            return f"HTTP {status}: {rest[:200]!r}"
        answer = rest[int(headers.get("content-length", len(rest))) :]
    return None


class Grpc:
    """gRPC through the gateway and at the services' own ports."""

    def __init__(self, place: Place) -> None:
        self._secrets = place.secrets
        ports = ("gateway", *place.services)
        self._connections = {port: raw_calls.Connection(place.address(port)) for port in ports}

    def wrong_with(self, inputs: Sequence[GrpcInput]) -> Iterator[str | None]:
        """For each input what is wrong with its answer; None if nothing is."""
        calls = [self._call(each) for each in inputs]
        for port, connection in self._connections.items():
            pairs = zip(inputs, calls, strict=True)
            self._exchange(connection, [call for given, call in pairs if given.port == port])
        return map(_wrong_call, inputs, calls)

    def _exchange(self, connection: raw_calls.Connection, calls: Sequence[raw_calls.Call]) -> None:
        if connection.exchange(calls) is None:
            return
        # Makes the calls that did not end again, one by one: another one may be the cause.
        for call in (call for call in calls if not call.is_over):
            call.got = {}
            if why := connection.exchange([call]):
                call.got["closed"] = why

    def _call(self, given: GrpcInput) -> raw_calls.Call:
        headers = [(name, fill(value, self._secrets)) for name, value in given.headers]
        return raw_calls.Call(headers, fill(given.body, self._secrets), given.end)


def _wrong_call(given: GrpcInput, call: raw_calls.Call) -> str | None:
    if "closed" in call.got:
        # A service answers HEAD with a message, as it answers POST. h2 does not allow that, which
        # harms only the caller who chose this method.
        is_head = dict(given.headers)[b":method"] == b"HEAD"
        why = call.got["closed"]
        is_expected = is_head and "InvalidBodyLengthError" in why
        return None if is_expected else f"the connection ended: {why}"
    if given.end != "end":
        return None
    sent = dict(given.headers)
    is_grpc = sent[b":method"] == b"POST" and _GRPC.fullmatch(sent.get(b"content-type", b""))
    status = int(call.got.get(":status", 0))
    if status >= 500:
        return f"HTTP {status}"
    if "grpc-status" in call.got:
        return _wrong_status(sent, call.got)
    # A caller without `te` gets no trailers, and a wrong path is refused before gRPC is known.
    if is_grpc and b"te" in sent and not (status == 400 and _NO_PATH.search(sent[b":path"])):
        return f"HTTP {status} without grpc-status, reset {call.reset}"
    return None


def _wrong_status(sent: Mapping[bytes, bytes], got: Mapping[str, str]) -> str | None:
    code, details = int(got["grpc-status"]), got.get("grpc-status-details-bin")
    if sent[b":path"].startswith(b"/grpc.") and details is None and code in _OF_LIBRARIES:
        return None
    packed = None if details is None else statuses.from_header(details)
    has_deadline = b"grpc-timeout" in sent
    return statuses.wrong_with(code, got.get("grpc-message", ""), packed, has_deadline=has_deadline)


class Pipeline:
    """The pipelines of all services in this process."""

    def __init__(self, place: Place) -> None:
        self._pipelines = Pipelines(place.redis, place.secrets)

    def wrong_with(self, inputs: Sequence[PipelineInput]) -> Iterator[str | None]:
        """For each input what is wrong with its answer; None if nothing is."""
        return map(self._pipelines.wrong_with, inputs)
