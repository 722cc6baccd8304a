"""Turns the comment of a request field, which states its range, into JSON Schema keywords.

The comments have a few fixed forms. A test sends the bounds of every field to the validators of the
services, so a comment that promises too much or too little is noticed.
"""

import re
from typing import Any, NamedTuple

_POWER = re.compile(r"2\^(\d+)(-1)?")
_NUMBERS = re.compile(r"(-?[\d,]+)\.\.(-?[\d,]+)")
_DIGITS = re.compile(r": (\d)-(\d)\.")
_LENGTH = re.compile(
    r"(?:(\d[\d,]*)-|[Aa]t most )(\d[\d,]*) (?:bytes of )?(?:printable )?characters"
)
_COUNT = re.compile(
    r"(?:^|: |\. )(?:(\d[\d,]*)-|[Aa]t most )(\d[\d,]*)(?: (?!printable|characters)\w+|\.|$)"
)
_REQUIRED = re.compile(r"\bRequired[.,;]")
_ONE_TEXT = re.compile(r'^"(\w+)"\.$')
_CHOICES = re.compile(r"^(\d) \w+, (\d) \w+")
_BOUNDS = {
    "int32": {"minimum": -(2**31), "maximum": 2**31 - 1},
    "int64": {"minimum": -(2**63), "maximum": 2**63 - 1},
}


class Range(NamedTuple):
    """What a comment says about the values of a field."""

    is_required: bool
    keywords: dict[str, Any]
    of_items: dict[str, Any]
    """Of the values in a list."""


def read_range(comment: str, kind: str, *, is_list: bool, may_be_absent: bool) -> Range:
    """`kind` is "string", "int32", "int64" or empty for another type."""
    keywords, of_items = _single(comment, kind), {}
    if is_list:
        # The range of a list is that of its length, unless it says what the values are.
        keywords, of_items = _list(comment), keywords if kind == "string" else _single("", kind)
    must_have_something = not may_be_absent and bool(
        keywords.get("minLength") or keywords.get("minItems") or "const" in keywords
    )
    return Range(bool(_REQUIRED.search(comment)) or must_have_something, keywords, of_items)


def _single(comment: str, kind: str) -> dict[str, Any]:
    if kind == "string":
        return _text(comment)
    if kind in _BOUNDS:
        return _number(_POWER.sub(_power, comment), kind)
    return {}


def _text(comment: str) -> dict[str, Any]:
    if only := _ONE_TEXT.match(comment):
        return {"const": only[1]}
    if not (found := _LENGTH.search(comment)):
        return {}
    keywords: dict[str, Any] = {"maxLength": _int(found[2])}
    if found[1]:
        keywords["minLength"] = _int(found[1])
    return keywords


def _number(comment: str, kind: str) -> dict[str, Any]:
    if choices := _CHOICES.match(comment):
        return {"enum": [int(choices[1]), int(choices[2])]}
    if found := _NUMBERS.search(comment) or _DIGITS.search(comment):
        return {"minimum": _int(found[1]), "maximum": _int(found[2])}
    return {**_BOUNDS[kind], **({"not": {"const": 0}} if "not 0" in comment else {})}


def _list(comment: str) -> dict[str, Any]:
    if not (found := _COUNT.search(comment)):
        return {}
    keywords = {"maxItems": _int(found[2])}
    if found[1]:
        keywords["minItems"] = _int(found[1])
    return keywords


def _int(digits: str) -> int:
    return int(digits.replace(",", ""))


def _power(match: re.Match[str]) -> str:
    return str(2 ** int(match[1]) - (1 if match[2] else 0))
