"""The error responses of each family, from the error catalogue."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from services.runtime.error_catalogue import OUTCOMES, REASONS, Outcome, body

FAMILIES = ("upbot", "member", "shop")

_HEADERS = {
    "x-request-id": {"$ref": "#/components/headers/RequestId"},
    "x-levelgate-reason": {"$ref": "#/components/headers/Reason"},
    "x-levelgate-field": {"$ref": "#/components/headers/Field"},
}
_RETRIED = (429, 503)
_ONLY_GRPC = {"COMPRESSION_UNSUPPORTED", "TOO_MANY_STREAMS", "CANCELLED"}
# The gateway refuses this with another status than a service does.
_ALSO = {503: ("TOO_MANY_CALLS",)}

HEADERS: Mapping[str, Any] = {
    "RequestId": {
        "description": "The id of the request, which finds it in the logs. "
        "A caller may send its own.",
        "schema": {"type": "string"},
    },
    "Reason": {
        "description": "The reason of a failure, for programs.",
        "schema": {"type": "string", "pattern": "^[A-Z_]+$"},
    },
    "Field": {
        "description": "The field that caused the failure, if one is known.",
        "schema": {"type": "string"},
    },
    "RetryAfter": {
        "description": "How many seconds to wait before the next attempt.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "AffectedMembers": {
        "description": "How many members had the level just before.",
        "schema": {"type": "integer", "minimum": 0},
    },
}


def error_schemas() -> dict[str, Any]:
    """The body of a failure in each family."""
    text = {"type": "string"}
    return {
        "UpbotError": _object(ret={"type": "integer", "not": {"const": 0}}, msg=text),
        "MemberError": _object(code={"const": "error"}, msg=text, data={"type": "null"}),
        "ShopError": _object(result={"const": 0}, msg=text, data={"type": "array", "maxItems": 0}),
    }


def error_reference(family: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{family.capitalize()}Error"}


def error_responses() -> dict[str, Any]:
    """One response for each family and HTTP status other than 200."""
    found: dict[str, Any] = {}
    for family in FAMILIES:
        for status, outcomes in _by_status().items():
            found[response_name(family, status)] = _response(family, status, outcomes)
    return found


def statuses() -> list[int]:
    return list(_by_status())


def response_name(family: str, status: int) -> str:
    return f"{family.capitalize()}{status}"


def response_headers(status: int) -> dict[str, Any]:
    if status not in _RETRIED:
        return dict(_HEADERS)
    return {**_HEADERS, "Retry-After": {"$ref": "#/components/headers/RetryAfter"}}


def _by_status() -> dict[int, list[Outcome]]:
    found: dict[int, list[Outcome]] = {}
    for outcome in OUTCOMES:
        if outcome.http != 200:
            found.setdefault(outcome.http, []).append(outcome)
    return found


def reasons_of(status: int) -> list[str]:
    """The reasons with which JSON callers can get this status."""
    named = [
        name
        for name, entry in REASONS.items()
        if entry.outcome.http == status and name not in _ONLY_GRPC
    ]
    # Of refusals of the gateway for which no service has a reason.
    own = [
        outcome.reason for outcome in _by_status().get(status, ()) if outcome.reason not in REASONS
    ]
    return [*own, *named, *_ALSO.get(status, ())]


def _response(family: str, status: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    media = {
        "schema": error_reference(family),
        "example": json.loads(body(family, outcomes[0])),
    }
    return {
        "description": _description(status, outcomes),
        "headers": response_headers(status),
        "content": {"application/json": media},
    }


def _description(status: int, outcomes: Sequence[Outcome]) -> str:
    lines = [text for each in outcomes for text in (each.when, each.action)]
    lines += ["", "`x-levelgate-reason`:"]
    for name in reasons_of(status):
        meaning = f" {REASONS[name].when}" if name in REASONS else ""
        lines.append(f"- `{name}`{':' if meaning else ''}{meaning}")
    return "\n".join(lines)


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
