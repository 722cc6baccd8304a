"""Changes protobuf messages on the wire: drops, repeats and moves fields, or changes their type."""

import struct
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from tests.fuzz.values import mutated_bytes, odd_integer, odd_text

# A field on the wire: its number, its wire type, and its content.
Field = tuple[int, int, bytes]
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_PACK: Mapping[int, Callable[[Any], bytes]] = {
    _VARINT: varint,
    _FIXED64: struct.Struct("<Q").pack,
    _BYTES: bytes,
    _FIXED32: struct.Struct("<I").pack,
}


def mutated_message(random: Random, message: bytes, other: bytes) -> bytes:
    """Mostly still a valid message. `other` is a message of another call to take fields from."""
    if random.random() < 0.12:
        return mutated_bytes(random, message, other)
    for _ in range(random.choice((1, 1, 2, 3))):
        message = _changed(random, message, other, depth=0)
    return message


def fields_of(message: bytes) -> list[Field] | None:
    """None if the bytes are no message, or one with a group."""
    empty = Empty()
    try:
        empty.ParseFromString(message)
        fields: Any = UnknownFieldSet(empty)
        return [
            (field.field_number, field.wire_type, _PACK[field.wire_type](field.data))
            for field in fields
        ]
    except (DecodeError, KeyError):
        return None


def written(fields: list[Field]) -> bytes:
    parts = []
    for number, kind, content in fields:
        parts.append(varint(number << 3 | kind))
        if kind == _BYTES:
            parts.append(varint(len(content)))
        parts.append(content)
    return b"".join(parts)


def _changed(random: Random, message: bytes, other: bytes, depth: int) -> bytes:
    fields = fields_of(message)
    if not fields:
        return message + written([_odd_field(random)])
    at = random.randrange(len(fields))
    number, kind, content = fields[at]
    if kind == _BYTES and content and random.random() < (0.6 if depth < 6 else 0):
        inner = fields_of(content)
        if inner:
            fields[at] = (number, kind, _changed(random, content, other, depth + 1))
            return written(fields)
    _change_field(random, fields, at, other)
    return written(fields)


def _change_field(random: Random, fields: list[Field], at: int, other: bytes) -> None:
    number, kind, content = fields[at]
    match random.randrange(9):
        case 0:
            del fields[at]
        case 1:
            times = random.choice((1, 2, 65, 101) if len(content) < 500 else (1, 2))
            fields[at:at] = [fields[at]] * times
        case 2:
            random.shuffle(fields)
        case 3:
            moved = random.choice((number + 1, number ^ 1 or 1, 1, 2, 15, 2**28))
            fields[at] = (moved, kind, content)
        case 4:
            fields.append(_odd_field(random))
        case 5:
            fields += fields_of(other) or []
        case 6 if kind == _BYTES:
            fields[at] = (number, kind, _nested(random, number, content))
        case _:
            fields[at] = (number, kind, _odd_content(random, kind, content))


def _odd_content(random: Random, kind: int, content: bytes) -> bytes:
    if kind == _VARINT:
        return varint(odd_integer(random))
    if kind == _BYTES:
        return odd_text(random) if random.random() < 0.7 else mutated_bytes(random, content)
    return random.randbytes(len(content))


def _odd_field(random: Random) -> Field:
    kind = random.choice((_VARINT, _BYTES, _FIXED32, _FIXED64))
    sizes = {_FIXED32: 4, _FIXED64: 8}
    number = random.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 99, 536_870_911))
    if kind in sizes:
        return number, kind, random.randbytes(sizes[kind])
    return number, kind, _odd_content(random, kind, b"")


def _nested(random: Random, number: int, content: bytes) -> bytes:
    """The field nested in itself, as a condition may contain conditions."""
    for _ in range(random.choice((1, 2, 7, 8, 9, 40, 99, 101))):
        if len(content) > 20_000:
            break
        content = written([(random.choice((number, number, 1, 3)), _BYTES, content)])
    return content
