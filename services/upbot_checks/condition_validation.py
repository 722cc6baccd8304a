"""What a condition must be; the ranges are told in protos/levelgate/upbot/v1/eligibility.proto."""

from collections.abc import Iterator
from dataclasses import replace

from google.protobuf.message import Message

from levelgate.upbot.v1.eligibility_pb2 import Condition
from services.runtime.errors import Violation
from services.runtime.validation import Check, entries, nested

DEEPEST = 8
MOST = 64
_LISTS = ("all", "any")


def condition(name: str, *kinds: Check) -> Check:
    """A condition in a field, if it is there; `kinds` check those that hold no other."""

    def check(message: Message) -> Iterator[Violation]:
        if not message.HasField(name):
            return
        inner = getattr(message, name)
        assert isinstance(inner, Condition)  # noqa: S101  (narrows the type)
        depth, count = _size(inner)
        if depth > DEEPEST:
            yield Violation(name, f"must be at most {DEEPEST} conditions deep; got {depth}")
        elif count > MOST:
            yield Violation(name, f"must be at most {MOST} conditions; got {count}")
        else:
            for violation in _check(inner, kinds):
                field = f"{name}.{violation.field}" if violation.field else name
                yield replace(violation, field=field)

    return check


def _size(message: Condition) -> tuple[int, int]:
    """How deep it is, and how many conditions there are in it."""
    parts = _parts(message)
    sizes = [_size(part) for _, part in parts]
    return 1 + max((depth for depth, _ in sizes), default=0), 1 + sum(each for _, each in sizes)


def _parts(message: Condition) -> list[tuple[str, Condition]]:
    kind = message.WhichOneof("kind") or ""
    if kind == "negated":
        return [(kind, message.negated)]
    if kind in _LISTS:
        parts = getattr(message, kind).conditions
        return [(f"{kind}.conditions[{at}]", part) for at, part in enumerate(parts)]
    return []


def _check(message: Condition, kinds: tuple[Check, ...]) -> Iterator[Violation]:
    if message.WhichOneof("kind") is None:
        names = "all, any, not, level_in, level_at_least, points, star or game_info"
        yield Violation("", f"must have one of {names}")
    for name in _LISTS:
        yield from nested(name, entries("conditions", MOST))(message)
    for each in kinds:
        yield from each(message)
    for path, part in _parts(message):
        for violation in _check(part, kinds):
            field = f"{path}.{violation.field}" if violation.field else path
            yield replace(violation, field=field)
