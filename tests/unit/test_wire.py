"""The wire format of gRPC: frames, compression, timeouts and statuses; bad input is refused."""

import base64
import gzip
import io
import zlib
from contextlib import suppress
from typing import cast

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelgate.access.v1.reason_pb2 import REASON_USER_NOT_FOUND
from services.runtime.call import Call, CallContext
from services.runtime.envoy_server.config import COMPLETE_CALL
from services.runtime.envoy_server.short_calls import ShortCalls
from services.runtime.envoy_server.wire import (
    framed,
    only_message,
    seconds_of,
    status_headers,
)
from services.runtime.errors import Failure, to_status
from services.runtime.pipeline import Pipeline

MOST = 100
INVALID = grpc.StatusCode.INVALID_ARGUMENT
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED


def test_the_reply_of_a_short_call_has_the_metadata() -> None:
    def answer(_message: bytes, _call: Call, context: CallContext) -> bytes:
        context.send_initial_metadata((("x-levelgate-test", "5"),))
        return b"reply"

    sent: list[tuple[str, str]] = []
    calls = ShortCalls({"/m": answer}, cast(Pipeline, None), MOST)
    environ = {
        "PATH_INFO": "/m",
        "CONTENT_TYPE": COMPLETE_CALL,
        "wsgi.input": io.BytesIO(framed(b"")),
    }
    assert calls(environ, lambda _status, headers: sent.extend(headers)) == (framed(b"reply"),)
    assert ("x-levelgate-test", "5") in sent


def compressed(packed: bytes, flag: int = 1) -> bytes:
    return bytes([flag]) + len(packed).to_bytes(4, "big") + packed


@given(st.binary(max_size=MOST))
def test_a_framed_message_is_read_back(message: bytes) -> None:
    assert only_message(framed(message), None, MOST) == message


@given(message=st.binary(max_size=MOST))
def test_a_compressed_message_is_read_back(message: bytes) -> None:
    assert only_message(compressed(gzip.compress(message)), "gzip", 10 * MOST) == message
    assert only_message(compressed(zlib.compress(message)), "deflate", 10 * MOST) == message


def test_a_body_that_is_not_one_message_is_refused() -> None:
    for body, encoding, code in (
        (b"", None, INVALID),
        (b"\0\0\0\0", None, INVALID),
        (b"\0\0\0\0\3ab", None, INVALID),
        (b"\0\0\0\0\3abcd", None, INVALID),
        (framed(b"one") + framed(b"two"), None, INVALID),
        (framed(b"x" * (MOST + 1)), None, EXHAUSTED),
        (b"\0\xff\xff\xff\xff", None, EXHAUSTED),
        (compressed(b"x"), None, UNIMPLEMENTED),
        (compressed(b"x"), "identity", UNIMPLEMENTED),
        (compressed(b"x"), "snappy", UNIMPLEMENTED),
        (compressed(gzip.compress(b"x"), flag=2), "gzip", UNIMPLEMENTED),
        (compressed(b"not gzip"), "gzip", INVALID),
        (compressed(gzip.compress(b"x" * 50)[:-4]), "gzip", INVALID),
        # A small message that is large when decompressed; decompression stops at the limit.
        (compressed(gzip.compress(b"\0" * 50_000)), "gzip", EXHAUSTED),
    ):
        with pytest.raises(Failure) as raised:
            only_message(body, encoding, MOST)
        assert raised.value.code is code, body


@given(st.binary(max_size=3 * MOST), st.sampled_from([None, "gzip", "deflate"]))
def test_any_bytes_are_either_a_message_or_refused(body: bytes, encoding: str | None) -> None:
    # Any other exception fails the test.
    with suppress(Failure):
        assert len(only_message(body, encoding, MOST)) <= MOST


def test_a_timeout_is_parsed_as_the_protocol_defines_it() -> None:
    for timeout, seconds in (
        ("2S", 2.0),
        ("1H", 3600.0),
        ("3M", 180.0),
        ("250m", 0.25),
        ("5u", 5e-6),
        ("7n", 7e-9),
        ("99999999S", 99_999_999.0),
        ("0S", 0.0),
        (None, None),
        ("", None),
        ("S", None),
        ("5", None),
        ("-5S", None),
        ("5x", None),
        ("1.5S", None),
        ("٣S", None),
        ("999999999S", None),
    ):
        assert seconds_of(timeout) == (None if seconds is None else pytest.approx(seconds)), timeout


def test_a_status_is_written_in_ascii() -> None:
    status = to_status(Failure(REASON_USER_NOT_FOUND, "用户 100%\n"), "rid")
    headers = dict(status_headers(status))
    assert headers["grpc-status"] == "5"
    assert headers["grpc-message"] == "%E7%94%A8%E6%88%B7 100%25%0A"
    details = dict(status.trailing_metadata)["grpc-status-details-bin"]
    assert base64.b64decode(headers["grpc-status-details-bin"]) == details


def test_a_context_runs_its_callbacks_once_when_the_call_ends() -> None:
    context, called = CallContext(None), []
    assert context.is_active()
    assert context.add_callback(lambda: called.append(1))
    context.end()
    context.end()
    assert (called, context.is_active()) == ([1], False)
    assert not context.add_callback(lambda: called.append(2))
    assert called == [1]
