"""Examples of requests and replies, from the contract cases, which the tests run."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.contract.cases import Case, JsonRequest, all_cases

_MOST_OF_ONE_CALL = 3
_ELISION = "…"
# Names of lists that are only tolerated: nobody should learn them from an example.
_TOLERATED = {"gid", "level"}
# A reply may show these without their value.
_TOKENS = {"access_token", "refresh_token"}
_TIME, _RUN = "2026-11-28T22:33:21Z", "0Rxh9FaO5IiQr0UI"
# What a reply has here differs each time.
_SAMPLES = {
    "app": "my-app",
    "changed": _TIME,
    "created": _TIME,
    "ended": _TIME,
    "planId": _RUN,
    "runId": _RUN,
    "scope": "member:read upbot:check",
    "started": _TIME,
    "time": _TIME,
}
# What a case gets when it runs; the other placeholders stand for values that are too long to show.
_PLACEHOLDERS = {
    "$appid": "my-app",
    "$app_secret": "the-secret-of-my-app",
    "$given_1.data.refresh_token": "the-refresh-token",
    "$given_1.data.planId": _RUN,
    "$given_2.data.planId": _RUN,
    "$given_2.data.runId": _RUN,
}


@dataclass(frozen=True)
class Example:
    """A request that succeeds, and its reply."""

    summary: str
    request: JsonRequest
    reply: Any

    def last_of_path(self) -> str:
        """The user, in paths that end with one."""
        return unquote(urlsplit(self.request.target).path.rpartition("/")[2])

    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.request.target).query, keep_blank_values=True))


def examples_by_rpc() -> dict[str, list[Example]]:
    """The first few cases of each call that need no explanation of what was done before."""
    found: dict[str, list[Example]] = {}
    for case in all_cases():
        examples = found.setdefault(case.rpc, [])
        if len(examples) < _MOST_OF_ONE_CALL and _is_clear(case):
            examples.append(_example(case))
    return {rpc: examples for rpc, examples in found.items() if examples}


def _is_clear(case: Case) -> bool:
    if case.json is None or case.reply is None or case.is_open or case.json.headers:
        return False
    if case.json.kind not in {"", "body"}:
        return False
    if case.family == "upbot" and not _TOLERATED.isdisjoint(case.json.content or {}):
        return False
    sent = _filled(json.dumps([case.json.target, case.json.content]))
    return "$" not in sent and not _is_elided(_with_samples(case.reply))


def _with_samples(value: Any, name: str = "") -> Any:
    """The reply with a sample wherever the case leaves the value open."""
    if isinstance(value, dict):
        return {key: _with_samples(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_samples(inner) for inner in value]
    return _SAMPLES.get(name, value) if value == _ELISION else value


def _is_elided(value: Any, name: str = "") -> bool:
    if isinstance(value, dict):
        return any(_is_elided(inner, key) for key, inner in value.items())
    if isinstance(value, list):
        return any(map(_is_elided, value))
    return bool(value == _ELISION) and name not in _TOKENS


def _example(case: Case) -> Example:
    assert case.json is not None  # noqa: S101  (narrows the type)
    request = JsonRequest(
        case.json.method,
        _filled(case.json.target),
        kind=case.json.kind,
        content=json.loads(_filled(json.dumps(case.json.content))),
    )
    return Example(case.detail or case.name, request, _with_samples(case.reply))


def _filled(text: str) -> str:
    # The longest name first: one may begin like another.
    for name, value in sorted(_PLACEHOLDERS.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(name, value)
    return text


def as_media(examples: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The examples of a body, by number."""
    return {
        f"{number}": {"summary": summary, "value": value}
        for number, (summary, value) in enumerate(examples, 1)
    }


def bodies(examples: Iterable[Example]) -> list[tuple[str, Any]]:
    return [(each.summary, each.request.content) for each in examples if each.request.kind]


def replies(examples: Iterable[Example]) -> list[tuple[str, Any]]:
    return [(each.summary, each.reply) for each in examples]
