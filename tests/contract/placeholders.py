"""The dollar names of a case: values that are known only when it runs, or are too long to write."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_PLACEHOLDER = re.compile(
    r"\$(?P<name>[a-z][a-z0-9_]*)(?:\((?P<argument>[^)]*)\))?(?P<path>(?:\.\w+)*)"
)

# From the text in parentheses to the value.
Values = Mapping[str, Callable[[str], Any]]


class UnknownPlaceholderError(Exception):
    """A dollar name without a value."""


def fill(value: Any, values: Values) -> Any:
    """The value with the dollar names in all its strings replaced.

    A string that consists of one dollar name becomes its value, whatever the type.
    """
    if isinstance(value, str):
        return _fill_text(value, {**GENERATORS, **values})
    if isinstance(value, Mapping):
        return {name: fill(inner, values) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [fill(inner, values) for inner in value]
    return value


def _fill_text(text: str, values: Values) -> Any:
    whole = _PLACEHOLDER.fullmatch(text)
    if whole:
        return _look_up(whole, values)
    return _PLACEHOLDER.sub(lambda match: str(_look_up(match, values)), text)


def _look_up(match: re.Match[str], values: Values) -> Any:
    if match["name"] not in values:
        raise UnknownPlaceholderError(match[0])
    value = values[match["name"]](match["argument"] or "")
    for name in match["path"].split(".")[1:]:
        value = value[name]
    return value


def _repeat(argument: str) -> str:
    """$repeat(128:x): 128 times x."""
    count, text = argument.split(":", 1)
    return text * int(count)


def _numbers(argument: str) -> list[int]:
    """$numbers(1000): 1, 2, .. 1000."""
    return list(range(1, int(argument) + 1))


def _codes(argument: str) -> list[str]:
    """$codes(1000): "1", "2", .. "1000"."""
    return [str(number) for number in _numbers(argument)]


def _map_of_false(argument: str) -> dict[str, bool]:
    """$map_of_false(1000): the answer for $codes(1000) of which none equals the fact."""
    return dict.fromkeys(_codes(argument), False)


GENERATORS: Values = {
    "repeat": _repeat,
    "numbers": _numbers,
    "codes": _codes,
    "map_of_false": _map_of_false,
}
