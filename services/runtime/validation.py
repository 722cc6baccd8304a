"""Validation of requests: small checks, combined in one table for each service.

protovalidate 2 supports protobuf-py messages but not google.protobuf ones, so these tables repeat
the ranges that the comments of the contracts give: docs/adr/0002-validation.md.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from google.protobuf.message import Message

from services.runtime.errors import MOST_COUNTED, MOST_VIOLATIONS, Failure, Violation, invalid

MAX_INT32 = 2**31 - 1
MAX_ID = 128
MAX_ENTRIES = 1_000
MAX_URL = 2_048

Check = Callable[[Message], Iterator[Violation]]
Checks = Mapping[type[Message], Sequence[Check]]


def identifier(name: str, *, optional: bool = False) -> Check:
    """1-128 printable characters; with `optional` it may be absent, but not empty."""

    def check(message: Message) -> Iterator[Violation]:
        if not (optional and not message.HasField(name)):
            yield from _identifier(name, getattr(message, name))

    return check


def identifiers(name: str, least: int = 0, most: int = MAX_ENTRIES) -> Check:
    """A list of identifiers."""

    def check(message: Message) -> Iterator[Violation]:
        values = getattr(message, name)
        if not least <= len(values) <= most:
            yield Violation(name, f"must have {least}-{most} entries; got {len(values)}")
            return
        for position, value in enumerate(values):
            if not _is_identifier(value):
                yield from _identifier(f"{name}[{position}]", value)

    return check


def text(name: str, *, shortest: int = 0, longest: int = MAX_ID) -> Check:
    """Text of limited length without control characters."""

    def check(message: Message) -> Iterator[Violation]:
        value = getattr(message, name)
        if not shortest <= len(value) <= longest or any(map(_is_control, value)):
            accepted = f"{shortest}-{longest} characters, none of them a control character"
            yield Violation(name, f"must be {accepted}; got {_described(value, longest)}")

    return check


def integer(name: str, least: int, most: int = MAX_INT32, *, optional: bool = False) -> Check:
    """A number within both bounds, which may be absent only with `optional`."""

    def check(message: Message) -> Iterator[Violation]:
        has_presence = message.DESCRIPTOR.fields_by_name[name].has_presence
        if has_presence and not message.HasField(name):
            if not optional:
                yield Violation(name, f"is required: {least}..{most}")
        elif not least <= (value := getattr(message, name)) <= most:
            yield Violation(name, f"must be {least}..{most}; got {value}")

    return check


def required(name: str) -> Check:
    """A field that must be present, with any value."""

    def check(message: Message) -> Iterator[Violation]:
        if not message.HasField(name):
            yield Violation(name, "is required")

    return check


def entries(name: str, *checks: Check, least: int = 1, most: int = MAX_ENTRIES) -> Check:
    """A list of limited length; `checks` apply to each message in it.

    A list that is too long is not read: a request of 4 MiB may contain millions of empty entries.
    """

    def check(message: Message) -> Iterator[Violation]:
        values = getattr(message, name)
        if not least <= len(values) <= most:
            yield Violation(name, f"must have {least}-{most} entries; got {len(values)}")
            return
        if checks:
            for position, inner in enumerate(values):
                for each in checks:
                    for violation in each(inner):
                        yield replace(violation, field=f"{name}[{position}].{violation.field}")

    return check


def exactly(name: str, value: str) -> Check:
    """The only value that the document allows."""

    def check(message: Message) -> Iterator[Violation]:
        if getattr(message, name) != value:
            yield Violation(name, f'must be "{value}"')

    return check


def nested(name: str, *checks: Check) -> Check:
    """Checks of the message in a field; only `required` checks that the field is present."""

    def check(message: Message) -> Iterator[Violation]:
        if message.HasField(name):
            inner = getattr(message, name)
            for each in checks:
                for violation in each(inner):
                    yield replace(violation, field=f"{name}.{violation.field}")

    return check


def violations(checks: Sequence[Check], message: Message) -> tuple[list[Violation], int]:
    """Returns the first violations, with the JSON names of the fields, and the number of further
    violations, up to MOST_COUNTED.
    """
    found = (violation for check in checks for violation in check(message))
    first = [
        replace(violation, json_field=json_path(message.DESCRIPTOR, violation.field))
        for violation in islice(found, MOST_VIOLATIONS)
    ]
    return first, sum(1 for _ in islice(found, MOST_COUNTED)) if first else 0


class Validator:
    """Validates requests by the table of a service."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks

    def validate(self, message: Message) -> None:
        """Raises Failure INVALID_ARGUMENT, or KeyError (a bug) if the table lacks the message."""
        if failure := self.failure(message):
            raise failure

    def failure(self, message: Message) -> Failure | None:
        """Returns the failure that `validate` would raise, or None."""
        found, more = violations(self._checks[type(message)], message)
        return invalid(found, more) if found else None


def json_path(descriptor: Any, path: str) -> str:
    """Returns the path of a field with JSON names."""
    head, _, rest = path.partition(".")
    name, bracket, position = head.partition("[")
    field = descriptor.fields_by_name.get(name)
    if field is None:
        return path
    if not rest or field.message_type is None:
        return f"{field.json_name}{bracket}{position}"
    return f"{field.json_name}{bracket}{position}.{json_path(field.message_type, rest)}"


def _is_identifier(value: str) -> bool:
    return 1 <= len(value) <= MAX_ID and value.isprintable()


def _identifier(name: str, value: str) -> Iterator[Violation]:
    if not _is_identifier(value):
        yield Violation(name, f"must be 1-{MAX_ID} printable characters; got {_described(value)}")


def _described(value: str, longest: int = MAX_ID) -> str:
    # The value may be an openid or a secret, and a status may be logged, so only its length and the
    # number of unprintable characters are given.
    if len(value) > longest:
        return f"{len(value)} characters"
    unprintable = sum(not character.isprintable() for character in value)
    return f"{len(value)} characters" + (f", {unprintable} unprintable" if unprintable else "")


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
