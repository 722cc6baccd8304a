"""Changes JSON texts: members and items are dropped, repeated, wrapped or replaced.

The result need not be JSON: names may repeat, and values may be anything.
"""

import json
import re
from random import Random
from typing import Any

from tests.fuzz.values import odd_number, odd_text

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{},:]|[^][{},:"\s]+', re.DOTALL)
_SIGNS = {b"]", b"}", b",", b":"}
_LITERALS = (b"null", b"true", b"false", b"{}", b"[]", b'""', b"[[]]", b"[null]", b'{"a":1}', b"")
_SURROGATES = (b'"\\ud800"', b'"\\udc00x"', b'"\\ud800\\ud800"', b'"\\u0000"', b'"\\u12"', b'"\\x"')
_LARGEST = 100_000
_DEPTHS = (5, 20, 63, 64, 65, 100, 101, 500, 3_000)

Tokens = list[bytes]


def mutated_json(random: Random, value: Any, names: list[bytes]) -> bytes:
    """`names` are names of fields of the contracts, without quotes."""
    tokens: Tokens = _TOKEN.findall(_text(value))
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        starts = [at for at, token in enumerate(tokens) if at and token not in _SIGNS]
        if not starts or random.random() < 0.03:
            tokens = [odd_leaf(random)]
            continue
        start = random.choice(starts)
        if tokens[start - 1] == b":":
            start -= 2  # its name
        end = _end_of_part(tokens, start)
        if random.random() < 0.12:
            # Together with a comma, so that the rest is still JSON.
            is_last = tokens[end : end + 1] != [b","]
            del tokens[start - (is_last and tokens[start - 1] == b",") : end + (not is_last)]
        else:
            tokens[start:end] = _changed(random, tokens[start:end], names)
    return b"".join(tokens)


def odd_leaf(random: Random) -> bytes:
    kind = random.randrange(10)
    if kind < 3:
        return odd_number(random)
    if kind < 6:
        return _quoted(random, odd_text(random))
    if kind < 8:
        return random.choice(_LITERALS)
    if kind < 9:
        return random.choice(_SURROGATES)
    depth = random.choice(_DEPTHS)
    opening, closing = random.choice(
        ((b"[", b"]"), (b'{"a":', b"}"), (b'{"not":', b"}"), (b"[", b""))
    )
    return opening * depth + b"1" + closing * depth


def _text(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _quoted(random: Random, text: bytes) -> bytes:
    """In quotes, either escaped as JSON requires or unchanged."""
    if random.random() < 0.3:
        return b'"' + text + b'"'
    return json.dumps(text.decode("utf-8", "replace"), ensure_ascii=random.random() < 0.3).encode()


def _end_of_part(tokens: Tokens, start: int) -> int:
    """The end of the value that starts here, or of the member if it is a name."""
    end = _end_of_value(tokens, start)
    return _end_of_value(tokens, end + 1) if tokens[end : end + 1] == [b":"] else end


def _end_of_value(tokens: Tokens, start: int) -> int:
    depth = 0
    for at in range(start, len(tokens)):
        depth += (tokens[at] in {b"[", b"{"}) - (tokens[at] in {b"]", b"}"})
        if depth <= 0:
            return at + 1
    return len(tokens)


def _changed(random: Random, part: Tokens, names: list[bytes]) -> Tokens:
    """`part` is a value, or a member: a name, a colon and a value."""
    name, value = (part[:2], part[2:]) if part[1:2] == [b":"] else ([], part)
    match random.randrange(8):
        case 0:
            return part + [b",", *part] * _times(random, part)
        case 1:
            return [*part, b",", *name, odd_leaf(random)]
        case 2 if name:
            return [*part, b',"', random.choice(names), b'":', odd_leaf(random)]
        case 3 if name:
            return [_respelled(random, name[0], names), b":", *value]
        case 4:
            return [*name, *_wrapped(random, value)]
        case _:
            return [*name, odd_leaf(random)]


def _times(random: Random, part: Tokens) -> int:
    """A number of repetitions: more than every limit, but not enough to fill the memory."""
    most = _LARGEST // (sum(map(len, part)) + 1)
    return random.choice([times for times in (1, 2, 65, 101, 1_001) if times <= max(1, most)])


def _wrapped(random: Random, value: Tokens) -> Tokens:
    match random.randrange(5):
        case 0:
            return [b"[", *value, b"]"]
        case 1:
            return [b"[", *value, *[b",", *value] * _times(random, value), b"]"]
        case 2:
            return [b'{"value":', *value, b"}"]
        case 3:
            return [_quoted(random, b"".join(value)[:5_000])]
        case _:
            return [b"[[", *value, b"]]"]


def _respelled(random: Random, name: bytes, names: list[bytes]) -> bytes:
    match random.randrange(5):
        case 0:
            return name.upper()
        case 1:
            return name.replace(b"_", b"")
        case 2:
            return b'"' + random.choice(names) + b'"'
        case 3:
            return re.sub(rb"[A-Z]", lambda found: b"_" + found[0].lower(), name)
        case _:
            return _quoted(random, odd_text(random))
