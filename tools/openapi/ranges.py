"""Turns the comment of a request field, which states its range, into JSON Schema keywords.

The comments have a few fixed forms, which `make check` keeps: a field of a request without a known
form is an error of the generator. The test of the OpenAPI document sends values of these ranges to
the gateway, so a comment that promises too much is noticed.
"""

import re
from typing import Any, NamedTuple

_POWER = re.compile(r"2\^(\d+)(-1)?")
_NUMBERS = re.compile(r"(-?[\d,]+)\.\.(-?[\d,]+)")
_LENGTH = re.compile(
    r"(?:(\d[\d,]*)-|[Aa]t most )(\d[\d,]*) (?:bytes of )?(?:printable )?characters"
)
_COUNT = re.compile(
    r"(?:^|: |\. )(?:(\d[\d,]*)-|[Aa]t most )(\d[\d,]*)(?: (?!printable|characters)\w+|\.|$)"
)
_ONE_TEXT = re.compile(r'^"(\w+)"\.$')
_CHOICES = re.compile(r"^(\d) \w+, (\d) \w+")


class Range(NamedTuple):
    """What a comment says about the values of a field."""

    is_required: bool
    keywords: dict[str, Any]


def read_range(comment: str, kind: str, *, is_optional: bool) -> Range:
    """`kind` is "string", "integer", "array" or another JSON type."""
    keywords: dict[str, Any] = {}
    says_required = bool(re.search(r"\b[Rr]equired[.,;]", comment))
    if kind == "string":
        keywords = _text(comment)
    elif kind == "integer":
        keywords = _number(_POWER.sub(_power, comment))
    elif kind == "array":
        keywords = _list(comment)
    needs_something = not is_optional and bool(
        keywords.get("minLength") or keywords.get("minItems") or "const" in keywords
    )
    return Range(says_required or needs_something, keywords)


def _text(comment: str) -> dict[str, Any]:
    if only := _ONE_TEXT.match(comment):
        return {"const": only[1]}
    if not (found := _LENGTH.search(comment)):
        return {}
    keywords: dict[str, Any] = {"maxLength": _int(found[2])}
    if found[1]:
        keywords["minLength"] = _int(found[1])
    return keywords


def _number(comment: str) -> dict[str, Any]:
    if choices := _CHOICES.match(comment):
        return {"enum": [int(choices[1]), int(choices[2])]}
    if found := _NUMBERS.search(comment):
        return {"minimum": _int(found[1]), "maximum": _int(found[2])}
    if found := re.search(r": (\d)-(\d)\.", comment):
        return {"minimum": int(found[1]), "maximum": int(found[2])}
    return {"not": {"const": 0}} if "not 0" in comment else {}


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
