"""Checks an HTTP answer: it must have the envelope of its family and must not be a 5xx."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_REASON = "x-levelgate-reason"
_CONTENT_TYPE = "application/json; charset=utf-8"
# The paths of the families, as in the routes of gateway/envoy.yaml.
_FAMILIES = (
    (re.compile(r"/upbot(/.*)?"), "upbot"),
    (re.compile(r"/(userlevel|vipBiz|show|leveldown|members)(/.*)?"), "member"),
    (re.compile(r"/|/addons/yun_shop(/.*)?"), "shop"),
)
_MSG = rb'"msg":"(?:[^"\\]|\\.)+"'
_REFUSALS = {
    "upbot": re.compile(rb'{"ret":100[1-6],%b}' % _MSG),
    "member": re.compile(rb'{"code":"error",%b,"data":null}' % _MSG),
    "shop": re.compile(rb'{"result":0,%b,"data":\[\]}' % _MSG),
}
_ANSWERS = {
    "upbot": re.compile(rb'{"ret":0,"msg":"[^"]*","data":{.*}}'),
    "member": re.compile(rb'{"code":"(success|error)","msg":"[^"]*","data":.*}', re.DOTALL),
    "shop": re.compile(rb'{"result":1,"msg":"[^"]*","data":{.*}}', re.DOTALL),
}
_WITHOUT_FAMILY = re.compile(rb'{"code":(\d+),%b}' % _MSG)
_HEALTHY = b'{"code":0,"msg":"ok"}'
_STATUS_OF_REFUSALS = {200, 401, 403, 404, 405, 408, 413, 429}
_STATUS_WITHOUT_FAMILY = {400, 404, 408, 413, 426, 429, 431, 501}
# These calls may take long and have few threads, so some of them are refused.
_LONG = re.compile(
    r"/leveldown.*|/members/.*|/vipBiz/(preview|versions)|/upbot/api/(BatchCheckEligibility|FindUsers|CountUsers)"
)


@dataclass(frozen=True)
class HttpReply:
    status: int
    headers: Mapping[str, str]
    body: bytes


def wrong_with(reply: HttpReply, path: str, *, is_head: bool) -> str | None:
    """What is wrong with the answer to a request for this path; None if nothing is."""
    if is_fault(reply.status, reply.body):
        return f"HTTP {reply.status}: {reply.body[:200]!r}"
    if reply.status == 429 and not _LONG.fullmatch(path):
        return "HTTP 429 below every limit"
    if is_head:
        return "a body for HEAD" if reply.body else None
    if reply.headers.get("content-type") != _CONTENT_TYPE:
        return f"HTTP {reply.status} with content type {reply.headers.get('content-type')}"
    try:
        json.loads(reply.body.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return _wrong_body(reply, _family(path))


def _wrong_body(reply: HttpReply, family: str) -> str | None:
    if _is_refusal(reply.body, family) and not reply.headers.get(_REASON):
        return f"a failure without a reason: {reply.body[:200]!r}"
    return _wrong_envelope(reply.status, reply.body, family)


def is_fault(status: int, body: bytes) -> bool:
    """Whether an answer is a 5xx that the caller did not cause; an unknown coding causes 501."""
    return status >= 500 and not (status == 501 and body.startswith(b'{"code":501,'))


def _is_refusal(body: bytes, family: str) -> bool:
    without_family = _WITHOUT_FAMILY.fullmatch(body) and body != _HEALTHY
    return bool(without_family or (family != "none" and _REFUSALS[family].fullmatch(body)))


def _wrong_envelope(status: int, body: bytes, family: str) -> str | None:
    if found := _WITHOUT_FAMILY.fullmatch(body):
        is_right = int(found[1]) == status and status in _STATUS_WITHOUT_FAMILY
        is_health = body == _HEALTHY and status == 200
        # A request that is refused before its route is known has no family.
        fits = is_health or (is_right and (family == "none" or status != 404))
        return None if fits else f"the envelope of no family: HTTP {status} {body[:200]!r}"
    if family == "none":
        return f"HTTP {status} for no family: {body[:200]!r}"
    if _REFUSALS[family].fullmatch(body) and status in _STATUS_OF_REFUSALS:
        return None
    if _ANSWERS[family].fullmatch(body) and status == 200:
        return None
    return f"not an envelope of {family}: HTTP {status} {body[:200]!r}"


def _family(path: str) -> str:
    return next((family for pattern, family in _FAMILIES if pattern.fullmatch(path)), "none")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name comes twice")
    return found
