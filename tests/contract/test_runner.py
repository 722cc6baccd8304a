"""The runner itself: a runner that lets a wrong reply pass would prove nothing."""

from pathlib import Path
from typing import Any

import pytest

from services.runtime.error_catalogue import BAD_PARAMETER
from tests.contract.cases import Case, CaseError, all_cases
from tests.contract.failures import failure
from tests.contract.placeholders import UnknownPlaceholderError, fill
from tests.contract.replies import settled, wanted_text

HEAD = "rpc: p.v1.Service/Call\nhttp: POST /users/{userId}\ncases:\n"


def read(folder: Path, text: str) -> Case:
    (folder / "member").mkdir(exist_ok=True)
    (folder / "member" / "call.yaml").write_text(text)
    (case,) = all_cases(folder)
    return case


def test_both_puts_a_parameter_into_the_path_and_the_rest_into_the_body(tmp_path: Path) -> None:
    case = read(tmp_path, HEAD + "- {name: x, both: {userId: a/用, level: 1}, reply: {}}")
    assert case.stub == {"userId": "a/用", "level": 1}
    assert case.json
    assert case.json.target == "/users/a%2F%E7%94%A8"
    assert (case.json.kind, case.json.content) == ("body", {"level": 1})


def test_both_puts_the_rest_into_the_query_of_a_get(tmp_path: Path) -> None:
    text = HEAD.replace("POST", "GET") + "- {name: x, both: {userId: a, n: 'b c&'}, reply: {}}"
    case = read(tmp_path, text)
    assert case.json
    assert (case.json.target, case.json.kind) == ("/users/a?n=b%20c%26", "")


def test_a_request_line_alone_is_for_the_json_door(tmp_path: Path) -> None:
    case = read(tmp_path, HEAD + "- {name: x, request: GET /users/%ff, reply: {}}")
    assert case.stub is None
    assert case.json
    assert (case.json.method, case.json.target) == ("GET", "/users/%ff")


def test_a_stub_request_alone_is_for_the_stub_door(tmp_path: Path) -> None:
    case = read(tmp_path, HEAD + "- {name: x, stub: {}, reply: {}}")
    assert (case.json, case.stub) == (None, {})


@pytest.mark.parametrize(
    "wrong",
    [
        "- {name: x, reply: {}}",
        "- {name: x, both: {userId: a}}",
        "- {name: x, both: {userId: a}, reply: {}, fails: no token}",
        "- {name: x, both: {userId: a}, reply: {}, repyl_headers: {}}",
        "- {name: x, both: {level: 1}, reply: {}}",
        "- {name: x, both: {userId: a}, body: {}, reply: {}}",
        "- {name: x, body: {}, form: a=b, reply: {}}",
        "- {name: x, setting: opened, both: {userId: a}, reply: {}}",
        "- {name: x, both: {userId: a}, reply: {}, reply: {}}",
        "- {name: x, stub: {}, reply: {}}\n- {name: x, stub: {}, reply: {}}",
    ],
)
def test_a_case_that_cannot_be_meant_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(CaseError):
        read(tmp_path, HEAD + wrong)


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ({"a": 1, "b": 2}, '{"b":2,"a":1}'),
        ({"a": 1}, '{"a": 1}'),
        ({"a": 1}, '{"a":"1"}'),
        ({"a": 1}, '{"a":true}'),
        ({"a": 1}, '{"a":1,"b":2}'),
        ({"a": "用"}, '{"a":"\\u7528"}'),
        ({"a": "…", "b": 1}, '{"b":1}'),
        ({"a": ["…"]}, '{"a":[1,2]}'),
        ({"xinyue_code_to_is_satisfied": {"1": True}}, '{"xinyue_code_to_is_satisfied":{}}'),
        ({}, "no JSON"),
    ],
)
def test_a_reply_differs_by_a_byte(wanted: Any, got: str) -> None:
    assert wanted_text(wanted, got) != got


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ({"a": 1, "b": "用", "c": None}, '{"a":1,"b":"用","c":null}'),
        ({"a": "…"}, '{"a":{"x":1,"y":[]}}'),
        ({"a": [{"b": "…"}, 2]}, '{"a":[{"b":"x"},2]}'),
        (
            {"xinyue_code_to_is_satisfied": {"1": True, "2": False}},
            '{"xinyue_code_to_is_satisfied":{"2":false,"1":true}}',
        ),
    ],
)
def test_a_reply_is_the_one_that_is_wanted(wanted: Any, got: str) -> None:
    assert wanted_text(wanted, got) == got


def test_what_is_left_open_must_be_there() -> None:
    assert settled({"a": "…"}, {}) != {}


def test_dollar_names_are_filled_in_wherever_they_stand() -> None:
    values = {"token": lambda _: "t", "given_1": lambda _: {"data": {"id": 7}}}
    assert fill({"a": ["Bearer $token", "$given_1.data.id"]}, values) == {"a": ["Bearer t", 7]}
    assert fill("$repeat(3:用)", {}) == "用用用"
    assert fill("{$repeat(2: )}", {}) == "{  }"
    assert fill("$numbers(3)", {}) == [1, 2, 3]


def test_an_unknown_dollar_name_is_refused() -> None:
    with pytest.raises(UnknownPlaceholderError):
        fill("$tokne", {})


def test_a_failure_names_its_field_where_the_family_does() -> None:
    row = failure("bad parameter point")
    assert (row.status, row.reason, row.http) == ("INVALID_ARGUMENT", "INVALID_PARAMETER", 200)
    assert row.body("member")["msg"] == f"{BAD_PARAMETER.text}: point"
    assert row.body("upbot") == {"ret": 1001, "msg": BAD_PARAMETER.text}


def test_an_unknown_failure_is_refused() -> None:
    with pytest.raises(CaseError):
        failure("bad luck")
