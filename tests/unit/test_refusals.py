"""Refusals by Envoy are counted as those of the pipeline, and a flood does not fill the log."""

import json
import os
from typing import Any

import structlog
from prometheus_client import generate_latest

from services.runtime.envoy_server.refusals import Refusals
from services.runtime.telemetry import Telemetry
from tests.stack.waiting import until

SHOW = "/levelgate.member.v1.MemberLevel/ShowUser"


def refusal(**fields: Any) -> dict[str, Any]:
    usual = {"path": SHOW, "code": 8, "why": "request_payload_too_large", "ms": 3}
    return {**usual, "request_id": "rid-1", **fields}


def counted(telemetry: Telemetry, method: str, code: str) -> float:
    labels = f'grpc_code="{code}",grpc_method="{method}"'
    lines = generate_latest(telemetry.registry).decode().splitlines()
    found = [line for line in lines if line.startswith("grpc_server_handled_total{" + labels)]
    return sum(float(line.split()[-1]) for line in found)


def test_a_refusal_is_counted_and_logged_once() -> None:
    with structlog.testing.capture_logs() as lines:
        telemetry = Telemetry()
        Refusals({SHOW}, telemetry).count(refusal())
    assert counted(telemetry, "ShowUser", "RESOURCE_EXHAUSTED") == 1
    (line,) = lines
    assert (line["log_level"], line["event"]) == ("info", "call refused")
    assert (line["request_id"], line["why"]) == ("rid-1", "request_payload_too_large")


def test_a_refusal_is_no_error_whatever_its_code() -> None:
    with structlog.testing.capture_logs() as lines:
        for code in (13, 14, None, "-"):
            Refusals({SHOW}, Telemetry()).count(refusal(code=code))
    assert [line["log_level"] for line in lines] == ["info"] * 4


def test_a_path_that_a_caller_made_up_is_not_a_label() -> None:
    telemetry = Telemetry()
    Refusals({SHOW}, telemetry).count(refusal(path="/somebodys-openid"))
    assert counted(telemetry, "unknown", "RESOURCE_EXHAUSTED") == 1
    assert b"somebodys" not in generate_latest(telemetry.registry)


def test_all_refusals_of_a_flood_are_counted_but_only_some_are_logged() -> None:
    with structlog.testing.capture_logs() as lines:
        telemetry = Telemetry()
        refusals = Refusals({SHOW}, telemetry)
        for _ in range(1_000):
            refusals.count(refusal())
    assert counted(telemetry, "ShowUser", "RESOURCE_EXHAUSTED") == 1_000
    # The limit is per second, and a second or two may pass meanwhile.
    assert 20 <= len(lines) <= 60


def test_malformed_lines_do_not_stop_the_reading() -> None:
    telemetry = Telemetry()
    reading, writing = os.pipe()
    Refusals({SHOW}, telemetry).start(reading)
    good = json.dumps(refusal()).encode()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(b"\n".join([b"{", b"[]", b"null", b"\xff\xfe", b'{"path": 1}', good, b""]))
        pipe.flush()
        until(lambda: counted(telemetry, "ShowUser", "RESOURCE_EXHAUSTED") == 1, "the good line")
