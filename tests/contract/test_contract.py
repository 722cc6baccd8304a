"""Runs every case by JSON and by gRPC. README.md explains how to write one."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

import pytest

from tests.contract import json_client
from tests.contract.cases import Case, Step, all_cases, sample_of
from tests.contract.failures import cells_for_cases, failure
from tests.contract.grpc_client import DOMAIN, OK, GrpcClient, Outcome
from tests.contract.placeholders import Values, fill
from tests.contract.replies import settled, wanted_text

CASES = all_cases()


class Stack(Protocol):
    """The parts of the running suite that these tests use; tests/conftest.py starts it."""

    gateway: str
    grpc: dict[str, str]
    appid: str
    app_secret: str
    token: str
    member_token: str

    def reset(self) -> None: ...
    def token_with(self, scopes: str) -> str: ...


class Stage:
    """A stack with the demo data, and a gRPC client of it."""

    def __init__(self, stack: Stack, client: GrpcClient) -> None:
        self.stack = stack
        self._client = client
        self._given: list[Any] = []

    def values(self) -> Values:
        given = {
            f"given_{ordinal}": lambda _argument, reply=reply: reply
            for ordinal, reply in enumerate(self._given, start=1)
        }
        return {
            "token": lambda scopes: self.stack.token_with(scopes) if scopes else self.stack.token,
            "member_token": lambda _argument: self.stack.member_token,
            "appid": lambda _argument: self.stack.appid,
            "app_secret": lambda _argument: self.stack.app_secret,
            **given,
        }

    def call(self, rpc: str, request: Any, authorization: str = "$token") -> Outcome:
        values = self.values()
        return self._client.call(rpc, fill(request, values), fill(authorization, values))

    def proto_field(self, rpc: str, json_path: str) -> str:
        return self._client.proto_field(rpc, json_path) if json_path else ""

    def prepare(self, steps: Sequence[Step]) -> None:
        self.stack.reset()
        self._given = []
        for step in steps:
            outcome = self.call(step.rpc, step.request)
            assert outcome.status == OK, f"given {step.rpc}: {outcome}"
            self._given.append(outcome.reply)


@pytest.fixture(scope="session")
def closed_stage(stack: Stack) -> Iterator[Stage]:
    with GrpcClient(stack.gateway, stack.grpc) as client:
        yield Stage(stack, client)


@pytest.fixture(scope="session")
def open_stage(open_stack: Stack) -> Iterator[Stage]:
    with GrpcClient(open_stack.gateway, open_stack.grpc) as client:
        yield Stage(open_stack, client)


@pytest.fixture
def stage(cases: Sequence[Case], request: pytest.FixtureRequest) -> Stage:
    found: Stage = request.getfixturevalue("open_stage" if cases[0].is_open else "closed_stage")
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cases" not in metafunc.fixturenames:
        return
    is_json = metafunc.function is test_the_json_answer
    cases = [case for case in CASES if (case.json if is_json else case.grpc) is not None]
    if metafunc.config.getoption("--sample"):
        cases = sample_of(cases)
    sentences = groupby(cases, lambda case: (case.family, case.file, case.name))
    tables = [list(table) for _, table in sentences]
    metafunc.parametrize(
        "cases", tables, ids=[f"{table[0].file}: {table[0].name}" for table in tables]
    )


def test_the_json_answer(cases: Sequence[Case], stage: Stage) -> None:
    for case in cases:
        stage.prepare(case.given)
        _check_json(case, stage)
        _check_aftermath(case, stage)


def test_the_grpc_answer(cases: Sequence[Case], stage: Stage) -> None:
    for case in cases:
        stage.prepare(case.given)
        outcome = stage.call(case.rpc, case.grpc, case.authorization)
        if case.fails:
            wanted = _wanted_status(stage, case.rpc, case.fails)
        else:
            wanted = Outcome(OK, settled(fill(case.reply, stage.values()), outcome.reply))
        assert outcome == wanted, str(case)
        _check_aftermath(case, stage)


def test_every_cell_of_the_error_table_is_proved() -> None:
    proved = {(failure(case.fails).name, case.family) for case in CASES if case.json and case.fails}
    assert cells_for_cases() - proved == set()


def _check_json(case: Case, stage: Stage) -> None:
    assert case.json
    values = stage.values()
    reply = json_client.send(stage.stack.gateway, case.json, case.authorization, values)
    http, body = _wanted_body(case, values)
    # A reply to HEAD never has a body.
    text = "" if case.json.method == "HEAD" else wanted_text(body, reply.text)
    assert (reply.status, reply.text) == (http, text), str(case)
    assert reply.headers["content-type"] == json_client.CONTENT_TYPE, str(case)
    assert _headers_of_failures(reply.headers) == _wanted_headers(case), str(case)
    assert {name: reply.headers.get(name) for name in case.reply_headers} == case.reply_headers


def _wanted_body(case: Case, values: Values) -> tuple[int, Any]:
    if not case.fails:
        return 200, fill(case.reply, values)
    row = failure(case.fails)
    return row.http, row.body(case.family)


def _headers_of_failures(headers: Mapping[str, str]) -> dict[str, str]:
    names = ("x-levelgate-reason", "x-levelgate-field", "retry-after")
    return {name: headers[name] for name in names if name in headers}


def _wanted_headers(case: Case) -> dict[str, str]:
    if not case.fails:
        return {}
    row = failure(case.fails)
    wanted = {"x-levelgate-reason": row.reason}
    return {**wanted, "x-levelgate-field": row.field} if row.field else wanted


def _wanted_status(stage: Stage, rpc: str, fails: str) -> Outcome:
    row = failure(fails)
    field = stage.proto_field(rpc, row.field)
    return Outcome(row.status, None, DOMAIN, row.reason, field)


def _check_aftermath(case: Case, stage: Stage) -> None:
    for step in case.then:
        outcome = stage.call(step.rpc, step.request)
        if step.fails:
            wanted = _wanted_status(stage, step.rpc, step.fails)
        else:
            wanted = Outcome(OK, settled(step.reply, outcome.reply))
        assert outcome == wanted, f"{case}: then {step.rpc}"
