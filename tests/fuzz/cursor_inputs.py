"""Cursors with the right checksum around what no service wrote."""

from random import Random
from typing import Any, cast

from services.member_level.cursors import (
    ExportCursor,
    RiskCursor,
    export_cursor,
    risk_cursor,
    watch_cursor,
)
from services.store.keys import Buckets
from tests.fuzz.values import mutated_bytes, odd_integer

_TEXTS = ("", "5", "joe", "\ud800", "\udc00x", "x" * 200, "\0", "用户", "a\nb")


def forged_cursor(random: Random, letter: str) -> bytes:
    """`letter`: r, w or e, for the call that it pretends to belong to."""
    if random.random() < 0.05:
        letter = random.choice("rwe")
    try:
        text = _written(random, letter).encode()
    except (ValueError, OverflowError, AttributeError, TypeError, RecursionError):
        # What the writers of cursors refuse, nobody can forge with them.
        text = letter.encode() + random.randbytes(20)
    return mutated_bytes(random, text) if random.random() < 0.15 else text


def _written(random: Random, letter: str) -> str:
    if letter == "w":
        count = random.choice((1_024, 1_024, 1_024, 0, 1, 1_023, 1_025, 40_000))
        versions: list[Any] = [odd_integer(random) % 2**62 if count < 2 else 0] * count
        if versions and random.random() < 0.7:
            versions[random.randrange(len(versions))] = _odd(random)
        return watch_cursor(versions)
    # Where the demo has members, for elsewhere a cursor is soon forgotten.
    bucket = Buckets().of(random.choice(("5", "3dfg4df", "joe"))).number
    parts: list[Any] = [random.choice((bucket, bucket, 0, 1_023)), random.choice(_TEXTS)]
    if letter == "r":
        parts[1:1] = [random.choice((1, 2, 3, 5)), random.choice((0, 500, 600, 1_200))]
    for _ in range(random.choice((0, 0, 1, 1, 2, 4))):
        parts[random.randrange(len(parts))] = _odd(random)
    kind, write = (RiskCursor, risk_cursor) if letter == "r" else (ExportCursor, export_cursor)
    return str(cast(Any, write)(cast(Any, kind)(*parts)))


def _odd(random: Random) -> Any:
    match random.randrange(6):
        case 0 | 1:
            return odd_integer(random)
        case 2 | 3:
            return random.choice(_TEXTS)
        case 4:
            return random.choice((None, True, 1.5, float("nan"), float("inf"), [], {}))
        case _:
            nested: Any = 1
            for _ in range(random.choice((1, 5, 200))):
                nested = [nested]
            return nested
