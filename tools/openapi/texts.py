"""Turns the comments of the contracts into the texts that JSON callers read.

The comments are written for everybody. What concerns only gRPC callers, or how the suite works
inside, is left out here, and the names of fields are those of JSON.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from services.runtime.error_catalogue import REASONS

# Sentences about how the suite works inside.
_INTERNAL = re.compile(
    r"[Tt]he gateway (?:rewrites|prints)|is not of that type|[Tt]he public path|round trip"
)
# Parts of a sentence about what only gRPC callers see, or what only a checkout contains.
_NOT_FOR_JSON = re.compile(
    r"; the ErrorInfo's metadata [^.]*|; see [\w-]+\.md| \(docs/adr/\d+ [^)]*\)"
)
_FOR_JSON = {
    "The initial metadata `x-levelgate-affected-members`, for JSON callers a response header,": (
        "The header `x-levelgate-affected-members`"
    ),
    ", a CompareType:": ",",
    # Only gRPC has these calls.
    "use estimate or FindUsers": "use `estimate`",
    "as in FindUsers": "the cursor is not from a search with this condition",
    "Pass this to RunDemotion": "Pass this to StartDemotion",
}
# "NOT_FOUND / USER_NOT_FOUND, LEVEL_NOT_FOUND: what it means.", up to the next one or the end.
_CODE = r"(?:[A-Z]+_[A-Z_]+|ABORTED|UNAUTHENTICATED)"
_REASONS = re.compile(
    rf"(?:^| )({_CODE}(?: / [A-Z_]+)?(?:, [A-Z_]+(?: / [A-Z_]+)?)*): (.*?)(?=$| {_CODE}(?: /|:))"
)
_CODE_AND_REASON = re.compile(rf"{_CODE} / ([A-Z_]+)")
# A sentence ends before a capital letter, a back quote or a digit.
_SENTENCE_END = re.compile(r"(?<=[.)]) (?=[A-Z`0-9])")
_SNAKE_CASE = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")


class Comment(NamedTuple):
    """The comment of a call."""

    text: str
    reasons: Mapping[str, str]
    """What each reason means for this call."""


def read_comment(comment: str, names: Mapping[str, str]) -> Comment:
    """`names` has the JSON names of fields by their names in the contract."""
    plain = _for_json(_without_path(comment), names)
    reasons: dict[str, str] = {}
    for codes, meaning in _REASONS.findall(plain):
        found = [name for name in re.findall(r"[A-Z_]+", codes) if name in REASONS]
        for name in found:
            # One sentence for several reasons, or "as in" another call, does not explain one.
            is_own = len(found) == 1 and not meaning.startswith("as in ")
            reasons[name] = _capital(meaning) if is_own else REASONS[name].when
    return Comment(_REASONS.sub("", plain).strip(), reasons)


def for_json(comment: str, names: Mapping[str, str]) -> str:
    """The comment without what JSON callers cannot see, and with the names that they use."""
    return _CODE_AND_REASON.sub(r"`\1`", _for_json(comment, names))


def _for_json(comment: str, names: Mapping[str, str]) -> str:
    text = _NOT_FOR_JSON.sub("", comment)
    for words, others in _FOR_JSON.items():
        text = text.replace(words, others)
    kept = [each for each in sentences(text) if not _INTERNAL.search(each)]
    return _SNAKE_CASE.sub(lambda word: names.get(word[0], word[0]), " ".join(kept))


def with_reasons(text: str, reasons: Mapping[str, str]) -> str:
    """The text, followed by the list of reasons as Markdown."""
    if not reasons:
        return text
    rows = [f"- `{name}`: {meaning}" for name, meaning in reasons.items()]
    return "\n".join((text, "", "What `x-levelgate-reason` says of a failure of this call:", *rows))


def sentences(text: str) -> list[str]:
    return _SENTENCE_END.split(text)


def first_sentence(text: str) -> str:
    sentence = sentences(text)[0].rstrip(".")
    return sentence.partition(": ")[0].partition("; ")[0] + "."


def _without_path(comment: str) -> str:
    """The comment without the "GET /path: " before it."""
    head, colon, rest = comment.partition(": ")
    if colon and head.split(" ")[0] in {"GET", "POST", "DELETE"}:
        return _capital(rest)
    return comment


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def reasons_in(comment: str) -> dict[str, str]:
    """The reasons that the comment of a field mentions within a sentence, with their meaning."""
    found = _CODE_AND_REASON.findall(comment)
    return {name: REASONS[name].when for name in found if name in REASONS}
