"""gRPC calls that no library sends: they reach no service, and no log contains their tokens."""

from base64 import b64decode

import pytest
from google.rpc import error_details_pb2, status_pb2

from tests.gateway.http2 import grpc_call
from tests.gateway.running import Gateway, wait_until
from tests.gateway.upstream import Upstream

Header = tuple[str, str | bytes]
RULES = "/levelgate.member.v1.MemberLevel/ListRules"
TE: Header = ("te", "trailers")
EMPTY_MESSAGE = b"\0\0\0\0\0"
MALFORMED: dict[str, tuple[str, list[Header], bytes]] = {
    "no te": ("POST", [], EMPTY_MESSAGE),
    "no POST": ("PUT", [TE], EMPTY_MESSAGE),
    "GET": ("GET", [TE], b""),
    "HEAD": ("HEAD", [TE], b""),
    "no message": ("POST", [TE], b""),
}
ODD_TOKENS = [b"SECRET\xe9", "SECRET令牌".encode(), b"SECRET\t"]


def refused(answer: dict[str, str]) -> tuple[str, str]:
    """Returns the code and the reason of an answer's headers."""
    encoded = answer["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(b64decode(encoded + "=" * (-len(encoded) % 4)))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (answer[":status"], info.domain) == ("200", "levelgate")
    assert answer["grpc-status"] == str(status.code)
    return answer["grpc-status"], info.reason


@pytest.mark.parametrize(("method", "headers", "body"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_grpc_call_reaches_no_service(
    gateway: Gateway,
    upstream: Upstream,
    method: str,
    headers: list[Header],
    body: bytes,
) -> None:
    # grpcio would reset such a call, and Envoy would count that against the instance.
    answer = grpc_call(gateway.port, RULES, headers, body, method)
    assert refused(answer) == ("3", "INVALID_PARAMETER")
    assert upstream.calls == []


def test_a_stream_may_begin_without_a_message(gateway: Gateway) -> None:
    answer = grpc_call(gateway.port, "/levelgate.upbot.v1.Eligibility/StreamCheck", [TE], b"")
    assert answer["grpc-status"] == "0"


def test_a_token_that_is_not_printable_reaches_no_service_and_no_log(
    gateway: Gateway, upstream: Upstream
) -> None:
    for token in ODD_TOKENS:
        headers: list[Header] = [TE, ("authorization", token), ("x-request-id", "odd-token")]
        assert refused(grpc_call(gateway.port, RULES, headers)) == ("16", "TOKEN_INVALID"), token
    assert upstream.calls == []
    wait_until(lambda: len(gateway.log_lines("odd-token")) == len(ODD_TOKENS), "the log is written")
    assert "SECRET" not in gateway.access_log + gateway.own_log


def test_metadata_that_no_library_can_decode_is_not_passed_on(
    gateway: Gateway, upstream: Upstream
) -> None:
    # grpcio would log it.
    secret = b"SECRET\xe9"
    headers = [TE, ("user-agent", secret), ("x-openid", secret), ("x-other", "a b")]
    assert grpc_call(gateway.port, RULES, headers)["grpc-status"] == "0"
    (call,) = upstream.calls
    assert call.metadata["x-other"] == "a b"
    assert "SECRET" not in str(call.metadata) + gateway.own_log
