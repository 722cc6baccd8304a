"""JSON as a tree that can also hold invalid JSON: leaves are bytes, and names may repeat."""

import json
from random import Random
from typing import Any

from tests.fuzz.values import odd_number, odd_text


class Members(list[tuple[bytes, Any]]):
    """An object: names in quotes, and values."""


Tree = Members | list[Any] | bytes
_LITERALS = (b"null", b"true", b"false", b"{}", b"[]", b'""', b"[[]]", b"[null]", b'{"a":1}', b"")
_SURROGATES = (b'"\\ud800"', b'"\\udc00x"', b'"\\ud800\\ud800"', b'"\\u0000"', b'"\\u12"', b'"\\x"')
_LARGEST = 100_000
_DEPTHS = (5, 20, 63, 64, 65, 100, 101, 500, 3_000)


def tree_of(value: Any) -> Tree:
    if isinstance(value, dict):
        return Members((_plain(name), tree_of(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return [tree_of(inner) for inner in value]
    return _plain(value)


def written(tree: Tree) -> bytes:
    if isinstance(tree, bytes):
        return tree
    if isinstance(tree, Members):
        return b"{" + b",".join(name + b":" + written(inner) for name, inner in tree) + b"}"
    return b"[" + b",".join(map(written, tree)) + b"]"


def mutated_tree(random: Random, tree: Tree, names: list[bytes]) -> Tree:
    """A copy with a few changes. `names` are names of fields of the contracts, without quotes."""
    tree = _copy(tree)
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        places = _places(tree)
        if not places or random.random() < 0.03:
            tree = odd_leaf(random)
            continue
        container, position = random.choice(places)
        if isinstance(container, Members):
            _change_member(random, container, position, names)
        else:
            _change_item(random, container, position)
    return tree


def odd_leaf(random: Random) -> bytes:
    kind = random.randrange(10)
    if kind < 3:
        return odd_number(random)
    if kind < 6:
        return quoted(random, odd_text(random))
    if kind < 8:
        return random.choice(_LITERALS)
    if kind < 9:
        return random.choice(_SURROGATES)
    depth = random.choice(_DEPTHS)
    opening, closing = random.choice(
        ((b"[", b"]"), (b'{"a":', b"}"), (b'{"not":', b"}"), (b"[", b""))
    )
    return opening * depth + b"1" + closing * depth


def quoted(random: Random, text: bytes) -> bytes:
    """In quotes, either escaped as JSON requires or unchanged."""
    if random.random() < 0.3:
        return b'"' + text + b'"'
    return json.dumps(text.decode("utf-8", "replace"), ensure_ascii=random.random() < 0.3).encode()


def _plain(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _copy(tree: Any) -> Any:
    if isinstance(tree, Members):
        return Members((name, _copy(inner)) for name, inner in tree)
    return tree if isinstance(tree, bytes) else [_copy(inner) for inner in tree]


def _places(tree: Tree) -> list[tuple[Any, int]]:
    """Every place in the tree that holds a value: its container and the position in it."""
    found: list[tuple[Any, int]] = []
    left = [tree]
    while left:
        container = left.pop()
        if isinstance(container, bytes):
            continue
        found += [(container, position) for position in range(min(len(container), 50))]
        if isinstance(container, Members):
            left += [inner for _, inner in container[:50]]
        else:
            left += list[Any](container[:50])
    return found


def _change_member(random: Random, members: Members, at: int, names: list[bytes]) -> None:
    name, value = members[at]
    match random.randrange(9):
        case 0:
            del members[at]
        case 1:
            members.insert(random.randrange(len(members) + 1), (name, value))
        case 2:
            members.append((name, odd_leaf(random)))
        case 3:
            members[at] = (_respelled(random, name, names), value)
        case 4:
            members.append((b'"' + random.choice(names) + b'"', odd_leaf(random)))
        case 5:
            random.shuffle(members)
        case 6:
            members[at] = (name, _wrapped(random, value))
        case _:
            members[at] = (name, odd_leaf(random))


def _change_item(random: Random, items: list[Any], at: int) -> None:
    match random.randrange(5):
        case 0:
            del items[at]
        case 1:
            items[at] = _wrapped(random, items[at])
        case 2:
            items *= _times(random, items)
        case _:
            items[at] = odd_leaf(random)


def _times(random: Random, tree: Tree) -> int:
    """A number of repetitions: more than every limit, but not enough to fill the memory."""
    most = _LARGEST // (len(written(tree)) + 1)
    return random.choice([times for times in (1, 2, 65, 101, 1_001) if times <= max(1, most)])


def _wrapped(random: Random, value: Tree) -> Tree:
    match random.randrange(5):
        case 0:
            return [value]
        case 1:
            return [value] * _times(random, value)
        case 2:
            return Members([(b'"value"', value)])
        case 3:
            return quoted(random, written(value)[:5_000])
        case _:
            return [[value]]


def _respelled(random: Random, name: bytes, names: list[bytes]) -> bytes:
    match random.randrange(5):
        case 0:
            return name.upper()
        case 1:
            return name.replace(b"_", b"")
        case 2:
            return b'"' + random.choice(names) + b'"'
        case 3:
            return b"".join(b"_%c" % (c + 32) if 65 <= c <= 90 else bytes([c]) for c in name)
        case _:
            return quoted(random, odd_text(random))
