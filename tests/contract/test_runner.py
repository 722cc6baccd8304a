"""Tests of the runner itself: if it accepted a wrong reply, the cases would prove nothing."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from services.runtime.error_catalogue import BAD_PARAMETER
from tests.contract.cases import Case, CaseError, all_cases
from tests.contract.failures import failure
from tests.contract.placeholders import UnknownPlaceholderError, fill
from tests.contract.replies import settled, wanted_text
from tests.support.service import ROOT

HEAD = "rpc: p.v1.Service/Call\nhttp: POST /users/{userId}\ncases:\n"


def read(folder: Path, text: str) -> Case:
    (folder / "member").mkdir(exist_ok=True)
    (folder / "member" / "call.yaml").write_text(text)
    (case,) = all_cases(folder)
    return case


def test_both_puts_a_parameter_into_the_path_and_the_rest_into_the_body(tmp_path: Path) -> None:
    case = read(tmp_path, HEAD + "- {name: x, both: {userId: a/用, level: 1}, reply: {}}")
    assert case.grpc == {"userId": "a/用", "level": 1}
    assert case.json
    assert case.json.target == "/users/a%2F%E7%94%A8"
    assert (case.json.kind, case.json.content) == ("body", {"level": 1})


def test_both_puts_the_rest_into_the_query_of_a_get(tmp_path: Path) -> None:
    text = HEAD.replace("POST", "GET") + "- {name: x, both: {userId: a, n: 'b c&'}, reply: {}}"
    case = read(tmp_path, text)
    assert case.json
    assert (case.json.target, case.json.kind) == ("/users/a?n=b%20c%26", "")


def test_a_request_line_alone_is_sent_by_json_only(tmp_path: Path) -> None:
    case = read(tmp_path, HEAD + "- {name: x, request: GET /users/%ff, reply: {}}")
    assert case.grpc is None
    assert case.json
    assert (case.json.method, case.json.target) == ("GET", "/users/%ff")


def test_a_grpc_request_alone_is_sent_by_grpc_only(tmp_path: Path) -> None:
    case = read(tmp_path, HEAD + "- {name: x, grpc: {}, reply: {}}")
    assert (case.json, case.grpc) == (None, {})


def test_each_makes_one_case_of_every_entry(tmp_path: Path) -> None:
    each = "- {name: x, fails: no token, each: {a: {grpc: {}}, b: {grpc: {}, fails: bad token}}}"
    (tmp_path / "member").mkdir()
    (tmp_path / "member" / "call.yaml").write_text(HEAD + each)
    first, second = all_cases(tmp_path)
    assert (first.name, first.detail, first.fails) == ("x", "a", "no token")
    assert (second.name, second.detail, second.fails) == ("x", "b", "bad token")


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
        "- {name: x, grpc: {}, reply: {}}\n- {name: x, grpc: {}, reply: {}}",
    ],
)
def test_a_case_that_contradicts_itself_is_refused(tmp_path: Path, wrong: str) -> None:
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
def test_a_reply_that_differs_in_a_byte_is_noticed(wanted: Any, got: str) -> None:
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
def test_a_right_reply_is_accepted(wanted: Any, got: str) -> None:
    assert wanted_text(wanted, got) == got


def test_a_part_that_is_left_open_must_exist() -> None:
    assert settled({"a": "…"}, {}) != {}


def test_dollar_names_are_replaced_everywhere() -> None:
    values = {"token": lambda _: "t", "given_1": lambda _: {"data": {"id": 7}}}
    assert fill({"a": ["Bearer $token", "$given_1.data.id"]}, values) == {"a": ["Bearer t", 7]}
    assert fill("$repeat(3:用)", {}) == "用用用"
    assert fill("{$repeat(2: )}", {}) == "{  }"
    assert fill("$numbers(3)", {}) == [1, 2, 3]


def test_an_unknown_dollar_name_is_refused() -> None:
    with pytest.raises(UnknownPlaceholderError):
        fill("$tokne", {})


def test_a_failure_names_its_field_if_the_family_does() -> None:
    row = failure("bad parameter point")
    assert (row.status, row.reason, row.http) == ("INVALID_ARGUMENT", "INVALID_PARAMETER", 200)
    assert row.body("member")["msg"] == f"{BAD_PARAMETER.text}: point"
    assert row.body("upbot") == {"ret": 1001, "msg": BAD_PARAMETER.text}


def test_an_unknown_failure_is_refused() -> None:
    with pytest.raises(CaseError):
        failure("bad luck")


@pytest.mark.parametrize("name", ["member/upgrade_usr", "upgrade_user", "member"])
def test_make_case_names_the_folder_of_cases_when_the_case_is_unknown(name: str) -> None:
    # -o: the target must not install anything into the environment of this test.
    command = ["make", "-s", "-o", ".venv/installed", "case", f"CASE={name}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    line, of_make = result.stderr.splitlines()
    assert line.startswith(f"no file tests/contract/{name}.yaml: CASE is a file in tests/contract/")
    # `make[1]: ` if `make test` runs this test.
    assert of_make.startswith("make")
    assert result.stdout == ""
