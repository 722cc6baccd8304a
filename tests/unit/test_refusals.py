"""What Envoy refuses is counted as if the pipeline had refused it, and a flood fills no log."""

import json
import os
from typing import Any

import pytest
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


@pytest.mark.parametrize("code", [13, 14, None, "-"])
def test_what_a_caller_brings_about_is_no_error(code: object) -> None:
    with structlog.testing.capture_logs() as lines:
        Refusals({SHOW}, Telemetry()).count(refusal(code=code))
    assert [line["log_level"] for line in lines] == ["info"]


def test_a_path_that_a_caller_made_up_is_not_a_label() -> None:
    telemetry = Telemetry()
    Refusals({SHOW}, telemetry).count(refusal(path="/somebodys-openid"))
    assert counted(telemetry, "unknown", "RESOURCE_EXHAUSTED") == 1
    assert b"somebodys" not in generate_latest(telemetry.registry)


def test_a_flood_is_counted_whole_and_logged_in_part() -> None:
    with structlog.testing.capture_logs() as lines:
        telemetry = Telemetry()
        refusals = Refusals({SHOW}, telemetry)
        for _ in range(1_000):
            refusals.count(refusal())
    assert counted(telemetry, "ShowUser", "RESOURCE_EXHAUSTED") == 1_000
    # The second may change meanwhile.
    assert 20 <= len(lines) <= 60


def test_the_pipe_is_read_on_whatever_stands_in_it() -> None:
    telemetry = Telemetry()
    reading, writing = os.pipe()
    Refusals({SHOW}, telemetry).start(reading)
    good = json.dumps(refusal()).encode()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(b"\n".join([b"{", b"[]", b"null", b"\xff\xfe", b'{"path": 1}', good, b""]))
        pipe.flush()
        until(lambda: counted(telemetry, "ShowUser", "RESOURCE_EXHAUSTED") == 1, "the good line")
