"""Validates conditions; protos/levelgate/upbot/v1/eligibility.proto states the ranges."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from google.protobuf.message import Message

from levelgate.upbot.v1.eligibility_pb2 import Condition
from services.runtime.errors import Violation
from services.runtime.validation import Check, entries, nested

MAX_DEPTH = 8
MAX_CONDITIONS = 64
_LISTS = ("all", "any")


def condition(name: str, *kinds: Check) -> Check:
    """Checks the condition in a field, if it is set; `kinds` check the conditions inside it."""

    def check(message: Message) -> Iterator[Violation]:
        if not message.HasField(name):
            return
        inner = getattr(message, name)
        assert isinstance(inner, Condition)  # noqa: S101  (narrows the type)
        if _is_too_large(inner):
            accepted = f"at most {MAX_CONDITIONS} conditions, nested at most {MAX_DEPTH} deep"
            yield Violation(name, f"must have {accepted}")
        else:
            for violation in _check(inner, kinds):
                field = f"{name}.{violation.field}" if violation.field else name
                yield replace(violation, field=field)

    return check


def _is_too_large(message: Condition) -> bool:
    """Stops at the limit, because a request of 4 MiB may contain a million conditions."""
    depth, count, level = 0, 0, [message]
    while level:
        depth, count = depth + 1, count + len(level)
        if depth > MAX_DEPTH or count > MAX_CONDITIONS:
            return True
        level = [part for each in level for _, part in _parts(each)]
    return False


def _parts(message: Condition) -> list[tuple[str, Condition]]:
    kind = message.WhichOneof("kind") or ""
    if kind == "negated":
        return [(kind, message.negated)]
    if kind in _LISTS:
        parts = islice(getattr(message, kind).conditions, MAX_CONDITIONS)
        return [(f"{kind}.conditions[{at}]", part) for at, part in enumerate(parts)]
    return []


def _check(message: Condition, kinds: tuple[Check, ...]) -> Iterator[Violation]:
    if message.WhichOneof("kind") is None:
        names = "all, any, not, level_in, level_at_least, points, star or game_info"
        yield Violation("", f"must have one of {names}")
    for name in _LISTS:
        yield from nested(name, entries("conditions", most=MAX_CONDITIONS))(message)
    for each in kinds:
        yield from each(message)
    for path, part in _parts(message):
        for violation in _check(part, kinds):
            field = f"{path}.{violation.field}" if violation.field else path
            yield replace(violation, field=field)
