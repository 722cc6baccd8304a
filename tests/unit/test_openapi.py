"""The OpenAPI document is valid, and what the contract cases send and get is what it says."""

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.contract.cases import Case, all_cases
from tests.contract.failures import failure
from tests.contract.replies import ANYTHING
from tests.unit.openapi import ROOT, document, operation_of, operations, routes, validator
from tools.openapi.chinese import TranslationError, in_chinese
from tools.openapi.errors import FAMILIES

JSON = "application/json"
CALLS = {route.rpc for route in routes().values()}
CASES = [case for case in all_cases() if case.rpc in CALLS]


def test_the_document_is_valid_openapi() -> None:
    validate(document())


def test_every_json_call_is_described() -> None:
    described = {operation.route.rpc for operation in operations()}
    # GET /userlevel/{userId} is two calls.
    assert described | {"levelgate.member.v1.MemberLevel/UpgradeUser"} == CALLS


def test_replies_are_those_of_the_document() -> None:
    cases = [case for case in CASES if case.reply is not None]
    assert len(cases) > 300
    assert [(str(case), found) for case in cases if (found := _errors_in_reply(case))] == []


def _errors_in_reply(case: Case) -> list[str]:
    operation = operation_of(case.rpc)
    reply = f"{case.rpc.split('/')[1]}Response"
    (component,) = (
        name
        for schema in operation.fields["responses"]["200"]["content"][JSON]["schema"]["oneOf"]
        if (name := schema["$ref"].rpartition("/")[2]).endswith(reply)
    )
    return [
        error.message
        for error in validator(component).iter_errors(case.reply)
        if not _is_left_open(error.instance)
    ]


def test_failures_are_those_of_the_document() -> None:
    for case in (case for case in CASES if case.fails and case.json):
        wanted = failure(case.fails)
        if case.family not in wanted.bodies:
            continue
        responses = operation_of(case.rpc).fields["responses"]
        assert str(wanted.http) in responses, str(case)
        validator(f"{case.family.capitalize()}Error").validate(wanted.body(case.family))
        if wanted.http == 200 and wanted.reason:
            header = responses["200"]["headers"]["x-levelgate-reason"]
            assert wanted.reason in header["schema"]["enum"], str(case)


def test_every_example_is_one_of_the_schema() -> None:
    for operation in operations():
        contents = [operation.fields["responses"]["200"]["content"]]
        if "requestBody" in operation.fields:
            contents.append(operation.fields["requestBody"]["content"])
        for media in (content[JSON] for content in contents):
            references = media["schema"].get("oneOf", [media["schema"]])
            names = [each["$ref"].rpartition("/")[2] for each in references]
            for example in media.get("examples", {}).values():
                assert any(_is_valid(name, example["value"]) for name in names), operation


def test_no_example_teaches_a_spelling_that_is_only_tolerated() -> None:
    for call, tolerated in (("CheckUserXYLevel", "level"), ("CheckStarState", "gid")):
        content = operation_of(f"UpbotChecks/{call}").fields["requestBody"]["content"]
        examples = content[JSON]["examples"].values()
        assert [each for each in examples if tolerated in each["value"]] == []


def test_a_description_does_not_repeat_the_summary() -> None:
    for operation in operations():
        first = operation.fields.get("description", "").partition("\n")[0]
        assert first != operation.fields["summary"], operation


def test_a_status_has_the_reasons_with_which_it_comes() -> None:
    responses = document()["components"]["responses"]
    for status, reason in (
        (401, "CREDENTIALS_INVALID"),
        (405, "WRONG_METHOD"),
        (429, "APP_RATE_LIMITED"),
        (503, "STORE_UNAVAILABLE"),
    ):
        for family in FAMILIES:
            assert f"- `{reason}`" in responses[f"{family.capitalize()}{status}"]["description"]


def test_a_parameter_of_the_path_is_not_in_the_body() -> None:
    for operation in operations():
        in_path = {each["name"] for each in operation.fields["parameters"] if each["in"] == "path"}
        for media in operation.fields.get("requestBody", {"content": {}})["content"].values():
            name = media["schema"]["$ref"].rpartition("/")[2]
            assert not in_path & set(document()["components"]["schemas"][name]["properties"])


def test_no_text_is_about_grpc_or_the_inside_of_the_suite() -> None:
    text = json.dumps(document(), ensure_ascii=False)
    for words in (
        "ErrorInfo",
        "The gateway rewrites",
        "initial metadata",
        "docs/adr",
        "round trip",
    ):
        assert words not in text
    for operation in operations():
        description = operation.fields.get("description", "")
        assert not re.search(r"[A-Z]{5,} / [A-Z]", description), operation


def _is_valid(component: str, value: Any) -> bool:
    errors = validator(component).iter_errors(value)
    return all(_is_left_open(error.instance) for error in errors)


def _is_left_open(value: Any) -> bool:
    return isinstance(value, str) and (value == ANYTHING or value.startswith("$"))


def test_the_chinese_document_describes_the_same_calls() -> None:
    chinese = json.loads((ROOT / "gateway/web/openapi.zh.json").read_text())
    validate(chinese)
    assert _without_texts(chinese) == _without_texts(document())


def test_a_sentence_without_a_translation_and_a_translation_without_a_sentence_are_named() -> None:
    with pytest.raises(TranslationError) as error:
        in_chinese({"info": {"description": "One. Two."}}, {"One.": "一。", "Three.": "三。"})
    assert str(error.value).splitlines() == [
        "chinese.yaml lacks: Two.",
        "chinese.yaml has, but nothing uses: Three.",
    ]


def _without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        texts = {"description", "summary"}
        return {key: _without_texts(each) for key, each in value.items() if key not in texts}
    return [_without_texts(each) for each in value] if isinstance(value, list) else value
