"""A failed call gets a canonical status with details, and never the text of an exception."""

from dataclasses import replace
from typing import Any

import pytest
import redis
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from levelgate.access.v1.reason_pb2 import REASON_USER_NOT_FOUND
from services.runtime.envoy_server.wire import status_headers
from services.runtime.error_catalogue import REASONS
from services.runtime.errors import Failure, Violation, as_failure, invalid, to_status
from services.store.deadline import DeadlinePassedError


def details_of(failure: Failure) -> tuple[status_pb2.Status, dict[str, Any]]:
    trailing = dict(to_status(failure, "rid-1").trailing_metadata)
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    details = {}
    for packed in status.details:
        name = packed.TypeName().rpartition(".")[2]
        details[name] = getattr(error_details_pb2, name).FromString(packed.value)
    return status, details


def test_a_status_has_code_message_and_reason_of_the_catalogue_and_the_request_id() -> None:
    failure = Failure(REASON_USER_NOT_FOUND)
    status, details = details_of(failure)
    assert (status.code, status.message) == (5, REASONS["USER_NOT_FOUND"].message)
    assert (details["ErrorInfo"].reason, details["ErrorInfo"].domain) == (
        "USER_NOT_FOUND",
        "levelgate",
    )
    assert details["RequestInfo"].request_id == "rid-1"
    assert "BadRequest" not in details


def test_a_status_names_all_wrong_fields_and_the_first_in_the_spelling_of_json() -> None:
    failure = invalid([Violation("vip_level", "is required", "vipLevel"), Violation("name", "x")])
    status, details = details_of(failure)
    assert (status.code, status.message) == (3, "vip_level: is required; name: x")
    assert details["ErrorInfo"].metadata == {"field": "vipLevel", "violations": "2"}
    fields = [each.field for each in details["BadRequest"].field_violations]
    assert fields == ["vip_level", "name"]


def test_a_status_counts_the_violations_that_it_does_not_name() -> None:
    violations = [Violation(f"rules[{n}].vip_level", "must be 0..9" * 5) for n in range(8)]
    status, details = details_of(invalid(violations, 992))
    named = status.message.count("vip_level: ")
    assert 1 <= named < 8
    assert status.message.endswith(f"; and {1_000 - named} more")
    assert details["ErrorInfo"].metadata["violations"] == "1000"
    assert len(details["BadRequest"].field_violations) == 8


texts = st.text(st.characters(exclude_categories=())).map(lambda text: text * 997)
violation_lists = st.lists(st.builds(Violation, texts, texts, texts), max_size=9)


@given(
    st.builds(
        lambda violations, more, message, metadata: replace(
            invalid(violations, more), message=message, metadata=metadata
        ),
        violation_lists,
        st.integers(0, 10**6),
        texts,
        st.dictionaries(texts, texts, max_size=10),
    )
    | st.builds(invalid, violation_lists, st.integers(0, 10**6)),
    texts,
)
def test_every_status_fits_into_headers_and_can_be_read(failure: Failure, request_id: str) -> None:
    sent = to_status(failure, request_id)
    headers = status_headers(sent)
    # A client of grpcio refuses 8 KiB, in which other headers are counted as well.
    assert sum(len(name) + len(value) + 32 for name, value in headers) < 6_000
    status = status_pb2.Status.FromString(dict(sent.trailing_metadata)["grpc-status-details-bin"])
    assert status.ByteSize() <= 3_072
    assert status.message == sent.details
    for packed in status.details:
        name = packed.TypeName().rpartition(".")[2]
        assert packed.Unpack(getattr(error_details_pb2, name)())


def test_text_that_is_not_valid_unicode_does_not_break_the_answer() -> None:
    failure = invalid([Violation("a\ud800", "b\udfff", "c\ud800")])
    status, details = details_of(failure)
    assert status.message == "a?: b?"
    assert details["ErrorInfo"].metadata["field"] == "c?"


def test_a_long_message_is_cut_between_two_characters() -> None:
    for count in range(160, 180):
        message = "a" * (count % 3) + "级" * count
        status, _ = details_of(Failure(REASON_USER_NOT_FOUND, message))
        kept = status.message.removesuffix("…")
        assert message.startswith(kept)
        assert (kept == message) == (len(message.encode()) <= 512)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (redis.ConnectionError("SECRET"), "UNAVAILABLE"),
        (redis.TimeoutError("SECRET"), "UNAVAILABLE"),
        (redis.AuthenticationError("SECRET"), "UNAVAILABLE"),
        (redis.ResponseError("MISCONF SECRET"), "UNAVAILABLE"),
        # redis-py takes the first word off where it has a class for it.
        (redis.exceptions.OutOfMemoryError("SECRET"), "UNAVAILABLE"),
        (redis.exceptions.ReadOnlyError("SECRET"), "UNAVAILABLE"),
        (redis.exceptions.ClusterDownError("SECRET"), "UNAVAILABLE"),
        (redis.exceptions.TryAgainError("SECRET"), "UNAVAILABLE"),
        (redis.ResponseError("WRONGTYPE SECRET"), "INTERNAL"),
        (DeadlinePassedError("SECRET"), "DEADLINE_EXCEEDED"),
        (ZeroDivisionError("SECRET"), "INTERNAL"),
        (Exception("SECRET"), "INTERNAL"),
    ],
)
def test_an_exception_becomes_a_failure_without_its_text(error: Exception, code: str) -> None:
    failure = as_failure(error)
    assert failure.code.name == code
    status, _ = details_of(failure)
    assert b"SECRET" not in status.SerializeToString()


def test_a_failure_is_answered_unchanged() -> None:
    failure = Failure(REASON_USER_NOT_FOUND)
    assert as_failure(failure) is failure
