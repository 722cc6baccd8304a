"""Logs and metrics contain no secret, token or whole openid."""

import json
import subprocess
import sys
import threading
import time

import pytest
import structlog
from prometheus_client import generate_latest

from levelgate.access.v1.reason_pb2 import REASON_INTERNAL
from services.runtime.call import Call
from services.runtime.errors import Failure
from services.runtime.logs import configure_logging
from services.runtime.telemetry import Telemetry

CALL = Call("/levelgate.member.v1.MemberLevel/ShowUser", "rid-1", ("token-1",), 2.0)


@pytest.fixture(autouse=True)
def logging_to(capsys: pytest.CaptureFixture[str]) -> object:
    configure_logging("member_level", "debug")
    yield capsys
    structlog.reset_defaults()


def raised() -> Exception:
    with pytest.raises(ValueError, match="openid") as info:
        int_of("openid-of-somebody")
    return info.value


def int_of(text: str) -> int:
    return int(text)


def test_a_failed_call_is_one_json_line_without_the_exceptions_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failure = Failure(REASON_INTERNAL)
    Telemetry().finished(CALL, time.perf_counter(), failure, raised())
    text = capsys.readouterr().out
    line = json.loads(text)
    assert line["service"] == "member_level"
    assert line["request_id"] == "rid-1"
    assert line["code"] == "INTERNAL"
    assert line["exception"] == "ValueError"
    assert "test_telemetry.py" in line["at"][0]
    assert "openid-of-somebody" not in text
    assert "token-1" not in text


LIBRARY = """
import logging, threading
from services.runtime.logs import configure_logging
configure_logging("member_level", "info")
log = logging.getLogger("grpc._cython.cygrpc")
try:
    int("openid-of-somebody")
except ValueError:
    log.exception("Invalid encoding on %s", b"openid-of-somebody")
log.error("a call of openid-of-somebody broke")
log.warning(ValueError("openid-of-somebody"))
log.error("%d", "openid-of-somebody")
thread = threading.Thread(target=int, args=("openid-of-somebody",))
thread.start()
thread.join()
"""


def test_the_messages_of_libraries_and_the_texts_of_exceptions_are_not_logged() -> None:
    # In a separate process, because pytest adds handlers to the root logger of this one.
    run = subprocess.run(
        [sys.executable, "-c", LIBRARY], capture_output=True, text=True, check=True
    )
    assert "openid-of-somebody" not in run.stdout + run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("Invalid encoding on %s", "error"),
        ("a library logged a message, which is withheld", "error"),
        ("a library logged a message, which is withheld", "warning"),
        ("a library logged a message, which is withheld", "error"),
        ("a thread ended with an exception", "error"),
    ]
    assert {line.get("logger") for line in lines} == {"grpc._cython.cygrpc", None}
    assert lines[1]["logged_at"] == "<string>:10 <module>"
    assert lines[0]["exception"] == lines[4]["exception"] == "ValueError"


def test_a_line_is_bounded_and_counts_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    long = {"text": "级" * 1_900, "entries": ["x" * 1_001] * 30, "other": {"key": "x" * 5_000}}
    structlog.get_logger().error("e" * 1_000, **long, number=7, nothing=None)
    text = capsys.readouterr().out
    line = json.loads(text)
    assert line["text"] == "级" * 1_000 + "… and 900 more characters"
    assert line["entries"][-1] == "… and 10 more entries"
    assert line["entries"][0].endswith("x… and 1 more characters")
    assert line["other"].endswith(" more characters")
    assert (line["event"], line["number"], line["nothing"]) == ("e" * 1_000, 7, None)
    assert len(text) < 25_000


def test_calls_are_counted_by_method_and_code() -> None:
    telemetry = Telemetry()
    telemetry.finished(CALL, time.perf_counter())
    failure = Failure(REASON_INTERNAL)
    telemetry.finished(CALL, time.perf_counter(), failure, raised())
    text = generate_latest(telemetry.registry).decode()
    for code in ("OK", "INTERNAL"):
        labels = (
            f'grpc_code="{code}",grpc_method="ShowUser",'
            'grpc_service="levelgate.member.v1.MemberLevel"'
        )
        assert f"grpc_server_handled_total{{{labels}}} 1.0" in text


def test_concurrent_calls_and_scrapes_count_each_call_once() -> None:
    telemetry = Telemetry()

    def call() -> None:
        for _ in range(1_001):
            telemetry.finished(CALL, time.perf_counter())

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        generate_latest(telemetry.registry)
    text = generate_latest(telemetry.registry).decode()
    labels = 'grpc_method="ShowUser",grpc_service="levelgate.member.v1.MemberLevel"'
    assert f'grpc_server_handled_total{{grpc_code="OK",{labels}}} 4004.0' in text
    assert f"grpc_server_handling_seconds_count{{{labels}}} 4004.0" in text


def test_a_call_without_a_valid_request_id_gets_one_and_keeps_it() -> None:
    for sent in ("", "a b", "x" * 129, "é"):
        call = Call(CALL.method, sent, (), None)
        assert len(call.request_id) == 36
        assert call.request_id == call.request_id
