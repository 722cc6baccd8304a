"""The error catalogue says what callers really get, and covers every reason."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from levelgate.access.v1.reason_pb2 import Reason
from services.runtime.error_catalogue import (
    BAD_PARAMETER,
    DECLINED,
    OUTCOMES,
    REASONS,
    Outcome,
    body,
)
from tests.contract.failures import FAMILIES, table

ROOT = Path(__file__).resolve().parents[2]
TEXTS_THAT_NAME_REASONS = [
    *sorted((ROOT / "protos").rglob("*.proto")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "README.md",
]


def test_the_catalogue_has_every_reason_of_the_contract() -> None:
    names = {name.removeprefix("REASON_") for name in Reason.keys()}  # noqa: SIM118  (no dict)
    assert names - {"UNSPECIFIED"} == set(REASONS)


def outcome_of(row: Mapping[str, Any]) -> Outcome:
    if "stub" not in row:
        found = (each for each in OUTCOMES if each.http == row["http"])
        return next(found, BAD_PARAMETER)  # HTTP that Envoy cannot parse has other statuses
    code, reason = row["stub"].split()
    entry = REASONS[reason]
    assert entry.code.name == code
    assert entry.outcome.http == row["http"]
    return replace(DECLINED, text=entry.message) if entry.outcome is DECLINED else entry.outcome


@pytest.mark.parametrize("row", table().values(), ids=table())
def test_the_catalogue_has_the_bodies_that_the_contract_cases_prove(row: Mapping[str, Any]) -> None:
    outcome = outcome_of(row)
    for family in FAMILIES:
        if family in row:
            golden = {**row[family], "msg": row[family]["msg"].removesuffix(": $field")}
            compact = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
            assert compact == body(family, outcome, code=str(row["http"]))


def test_a_failure_without_a_reason_of_a_service_has_that_of_its_outcome() -> None:
    rows = [row for row in table().values() if "stub" not in row]
    assert [row["reason"] for row in rows] == [outcome_of(row).reason for row in rows]


def test_the_reasons_of_outcomes_are_those_of_the_table_or_new_ones() -> None:
    only_of_json = {"WRONG_METHOD", "REQUEST_TIMEOUT", "UNSPECIFIED"}
    assert {each.reason for each in OUTCOMES} - set(REASONS) == only_of_json


@pytest.mark.parametrize("path", TEXTS_THAT_NAME_REASONS, ids=lambda path: path.name)
def test_contracts_and_docs_name_reasons_with_their_code(path: Path) -> None:
    for code, reason in re.findall(r"([A-Z_]{5,}) / ([A-Z_]{5,})", path.read_text()):
        assert REASONS[reason].code.name == code
