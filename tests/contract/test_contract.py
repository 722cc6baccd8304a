"""Every case, through every door that can express it. README.md says how to write one."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pytest

from tests.contract import json_door
from tests.contract.cases import Case, Step, all_cases
from tests.contract.failures import cells_for_cases, failure
from tests.contract.placeholders import Values, fill
from tests.contract.replies import settled, wanted_text
from tests.contract.stub_door import DOMAIN, OK, Outcome, Stubs

CASES = all_cases()
AT_THE_JSON_DOOR = [case for case in CASES if case.json]
AT_THE_STUB_DOOR = [case for case in CASES if case.stub is not None]


class Stack(Protocol):
    """What this folder needs of the running suite; tests/conftest.py has it."""

    gateway: str
    grpc: dict[str, str]
    appid: str
    app_secret: str
    token: str
    member_token: str

    def reset(self) -> None: ...
    def token_with(self, scopes: str) -> str: ...


class Stage:
    """A stack in the demo state, with the doors to it."""

    def __init__(self, stack: Stack, stubs: Stubs) -> None:
        self.stack = stack
        self._stubs = stubs
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
        return self._stubs.call(rpc, fill(request, values), fill(authorization, values))

    def proto_field(self, rpc: str, json_path: str) -> str:
        return self._stubs.proto_field(rpc, json_path) if json_path else ""

    def prepare(self, steps: Sequence[Step]) -> None:
        self.stack.reset()
        self._given = []
        for step in steps:
            outcome = self.call(step.rpc, step.request)
            assert outcome.status == OK, f"given {step.rpc}: {outcome}"
            self._given.append(outcome.reply)


@pytest.fixture(scope="session")
def closed_stage(stack: Stack) -> Iterator[Stage]:
    with Stubs(stack.gateway, stack.grpc) as stubs:
        yield Stage(stack, stubs)


@pytest.fixture(scope="session")
def open_stage(open_stack: Stack) -> Iterator[Stage]:
    with Stubs(open_stack.gateway, open_stack.grpc) as stubs:
        yield Stage(open_stack, stubs)


@pytest.fixture
def stage(case: Case, request: pytest.FixtureRequest) -> Stage:
    found: Stage = request.getfixturevalue("open_stage" if case.is_open else "closed_stage")
    found.prepare(case.given)
    return found


@pytest.mark.parametrize("case", AT_THE_JSON_DOOR, ids=str)
def test_the_json_door(case: Case, stage: Stage) -> None:
    assert case.json
    values = stage.values()
    reply = json_door.send(stage.stack.gateway, case.json, case.authorization, values)
    http, body = _wanted_body(case, values)
    # A reply to HEAD has no body, whatever it is about.
    text = "" if case.json.method == "HEAD" else wanted_text(body, reply.text)
    assert (reply.status, reply.text) == (http, text)
    assert reply.headers["content-type"] == json_door.CONTENT_TYPE
    assert {name: reply.headers.get(name) for name in case.reply_headers} == case.reply_headers
    _check_aftermath(case, stage)


@pytest.mark.parametrize("case", AT_THE_STUB_DOOR, ids=str)
def test_the_stub_door(case: Case, stage: Stage) -> None:
    outcome = stage.call(case.rpc, case.stub, case.authorization)
    if case.fails:
        assert outcome == _wanted_status(stage, case.rpc, case.fails)
    else:
        reply = settled(fill(case.reply, stage.values()), outcome.reply)
        assert outcome == Outcome(OK, reply)
    _check_aftermath(case, stage)


def test_every_cell_of_the_error_table_is_proved() -> None:
    proved = {(failure(case.fails).name, case.family) for case in AT_THE_JSON_DOOR if case.fails}
    assert cells_for_cases() - proved == set()


def _wanted_body(case: Case, values: Values) -> tuple[int, Any]:
    if not case.fails:
        return 200, fill(case.reply, values)
    row = failure(case.fails)
    return row.http, row.body(case.family)


def _wanted_status(stage: Stage, rpc: str, fails: str) -> Outcome:
    row = failure(fails)
    field = stage.proto_field(rpc, row.field)
    return Outcome(row.status, None, DOMAIN, row.reason, field)


def _check_aftermath(case: Case, stage: Stage) -> None:
    for step in case.then:
        outcome = stage.call(step.rpc, step.request)
        if step.fails:
            assert outcome == _wanted_status(stage, step.rpc, step.fails)
        else:
            assert outcome == Outcome(OK, settled(step.reply, outcome.reply))
