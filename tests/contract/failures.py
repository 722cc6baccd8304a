"""Reads failures.yaml, the errors that the cases refer to."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.contract.cases import FOLDER, CaseError, read_yaml

FAMILIES = ("upbot", "member", "shop", "none")


@dataclass(frozen=True)
class Failure:
    """One row: the error as JSON callers and as gRPC callers get it."""

    name: str
    field: str
    """The parameter as JSON callers spell it; empty if the error does not concern one."""
    http: int
    bodies: Mapping[str, Mapping[str, Any]]
    status: str
    """The gRPC code; empty if no gRPC call can fail in this way."""
    reason: str

    def body(self, family: str) -> Any:
        if family not in self.bodies:
            raise CaseError(f"failures.yaml has no body for {self.name} in {family}")
        body = copy.deepcopy(dict(self.bodies[family]))
        body["msg"] = body["msg"].replace("$field", self.field)
        return body


def failure(words: str) -> Failure:
    """Finds for "bad parameter point" the row "bad parameter", with the field "point"."""
    for name, row in table().items():
        if words == name or words.startswith(f"{name} "):
            status, _, reason = row.get("stub", f" {row.get('reason', '')}").partition(" ")
            bodies = {family: row[family] for family in FAMILIES if family in row}
            field = words[len(name) :].strip() or row.get("field", "")
            return Failure(name, field, row["http"], bodies, status, reason)
    raise CaseError(f"failures.yaml has no row for: {words}")


@cache
def table() -> Mapping[str, Mapping[str, Any]]:
    rows: Mapping[str, Mapping[str, Any]] = read_yaml(FOLDER / "failures.yaml")
    return rows


def cells_for_cases() -> set[tuple[str, str]]:
    """Row and family of every body that must be proved by a case."""
    return {
        (name, family)
        for name, row in table().items()
        if "elsewhere" not in row
        for family in FAMILIES
        if family in row
    }
