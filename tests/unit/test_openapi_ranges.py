"""The validators of the services accept the bounds that the OpenAPI document gives, and refuse what
is outside of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from services.member_level.validation import CHECKS as MEMBER
from services.runtime.validation import Check, violations
from services.shop_level.validation import CHECKS as SHOP
from services.upbot_checks.validation import CHECKS as UPBOT
from tests.unit.openapi import UPGRADE, document, operations, routes

CHECKS = {kind.DESCRIPTOR.full_name: (kind, checks) for table in (MEMBER, SHOP, UPBOT)
          for kind, checks in table.items()}  # fmt: skip
ABSENT = object()


@dataclass(frozen=True)
class Probe:
    """A value of one field of a request, and whether it is accepted."""

    request: str
    field: str
    value: Any
    is_accepted: bool
    body: Any

    def __str__(self) -> str:
        text = str(self.value) if self.value is not ABSENT else "absent"
        shown = text if len(text) < 30 else f"{len(self.value)} long"
        return f"{self.request.rpartition('.')[2]}.{self.field}={shown}"


def test_the_document_has_ranges() -> None:
    assert len(PROBES) > 300


def _probes() -> Iterator[Probe]:
    for operation in operations():
        request = operation.route.request
        for parameter in operation.fields["parameters"]:
            name = parameter["name"]
            if name == "route":
                continue
            owner = routes()[UPGRADE].request if name == "point" else request
            yield from _of_field(owner, (name,), parameter["schema"])
            if parameter["required"]:
                yield Probe(owner, name, ABSENT, is_accepted=False, body={})
        for media in operation.fields.get("requestBody", {"content": {}})["content"].values():
            yield from _of_object(request, (), media["schema"], frozenset())


def _of_object(
    request: str, path: tuple[str, ...], schema: Any, seen: frozenset[str]
) -> Iterator[Probe]:
    name = schema["$ref"].rpartition("/")[2]
    if name in seen:
        return
    inner = document()["components"]["schemas"][name]
    for property_, its in inner["properties"].items():
        # The gateway, and not a service, knows other names and a single value instead of a list.
        if its.get("description", "").startswith("Another name"):
            continue
        yield from _of_property(request, (*path, property_), its, seen | {name})
    for property_ in inner.get("required", ()):
        field = ".".join((*path, property_))
        yield Probe(request, field, ABSENT, is_accepted=False, body=_nested(path, {}))


def _of_property(
    request: str, path: tuple[str, ...], schema: Any, seen: frozenset[str]
) -> Iterator[Probe]:
    if "$ref" in schema:
        yield from _of_object(request, path, schema, seen)
        return
    yield from _of_field(request, path, schema)
    items = schema.get("items", {})
    first = (*path[:-1], f"{path[-1]}[0]")
    if "$ref" in items:
        yield from _of_object(request, first, items, seen)
    elif items:
        yield from _of_field(request, first, items)


def _of_field(request: str, path: tuple[str, ...], schema: Any) -> Iterator[Probe]:
    for value, is_accepted in _values(schema):
        yield Probe(request, ".".join(path), value, is_accepted, _nested(path, value))


def _values(schema: Any) -> Iterator[tuple[Any, bool]]:
    for choice in schema.get("enum", ()):
        yield choice, True
    if "enum" in schema:
        yield from ((min(schema["enum"]) - 1, False), (max(schema["enum"]) + 1, False))
    if "const" in schema:
        yield from ((schema["const"], True), (f"{schema['const']}s", False))
    if "minimum" in schema and "maxItems" not in schema:
        lowest, highest = schema["minimum"], schema["maximum"]
        yield from ((lowest, True), (highest, True), (lowest - 1, False), (highest + 1, False))
    if "not" in schema:
        yield schema["not"]["const"], False
    if most := schema.get("maxLength"):
        yield from (("a" * most, True), ("a" * (most + 1), False))
    if least := schema.get("minLength"):
        yield from (("a" * least, True), ("a" * (least - 1), False))
    yield from _lists(schema)


def _lists(schema: Any) -> Iterator[tuple[Any, bool]]:
    if most := schema.get("maxItems"):
        items = schema["items"]
        item: Any = {} if "$ref" in items else "a" if items["type"] == "string" else 1
        yield from (([item] * most, True), ([item] * (most + 1), False))
        if schema.get("minItems"):
            yield [], False


def _nested(path: tuple[str, ...], value: Any) -> Any:
    for name in reversed(path):
        is_item = name.endswith("[0]")
        value = {name.removesuffix("[0]"): [value] if is_item else value}
    return value


def _is_refused(probe: Probe) -> bool:
    kind, checks = CHECKS[probe.request]
    try:
        message = json_format.ParseDict(probe.body, kind())
    except json_format.ParseError:
        return True
    # A condition that is too large is refused as a whole.
    wholes = {probe.field, probe.field.partition(".all.")[0], probe.field.partition(".any.")[0]}
    return not wholes.isdisjoint(_refused_fields(checks, message))


def _refused_fields(checks: Any, message: Message) -> set[str]:
    every: list[Check] = list(checks)
    # One by one, because only the first few violations are returned.
    return {
        violation.json_field for check in every for violation in violations([check], message)[0]
    }


PROBES = list({str(probe): probe for probe in _probes()}.values())


@pytest.mark.parametrize("probe", PROBES, ids=str)
def test_the_services_have_the_ranges_of_the_document(probe: Probe) -> None:
    assert _is_refused(probe) == (not probe.is_accepted)
