"""Compares the reply that a case wants with the reply that came."""

import json
from collections.abc import Mapping
from typing import Any

# Marks a part of a wanted reply that differs each time, such as a token.
ANYTHING = "…"

# Protobuf does not define the order of maps; the order of all other keys is part of the contract.
FREE_ORDER = {"xinyue_code_to_is_satisfied"}
# Arrays of such maps: `goods` as newer clients expect it; the document has no example of it.
FREE_ORDER_IN_ARRAY = {"goods"}


def compact(value: Any) -> str:
    """The JSON text that a caller gets: without blanks, and with Chinese unescaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def settled(wanted: Any, got: Any) -> Any:
    """The wanted value, with the parts that it leaves open taken from the reply."""
    if wanted == ANYTHING:
        return got
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        inner = {name: settled(value, got.get(name)) for name, value in wanted.items()}
        return {name: _ordered(value, got.get(name), name) for name, value in inner.items()}
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        return [settled(*pair) for pair in zip(wanted, got, strict=True)]
    return wanted


def _ordered(value: Any, got: Any, name: str) -> Any:
    lists = isinstance(value, list) and isinstance(got, list) and len(value) == len(got)
    if name in FREE_ORDER_IN_ARRAY and lists:
        return [_in_the_order_of(*pair) for pair in zip(value, got, strict=True)]
    return _in_the_order_of(value, got) if name in FREE_ORDER else value


def _in_the_order_of(value: Any, got: Any) -> Any:
    if isinstance(value, Mapping) and isinstance(got, Mapping) and value.keys() == got.keys():
        return {key: value[key] for key in got}
    return value


def wanted_text(wanted: Any, got_text: str) -> str:
    """The exact text that is wanted, given the reply."""
    try:
        got = json.loads(got_text)
    except ValueError:
        got = None
    return compact(settled(wanted, got))
