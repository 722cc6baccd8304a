"""The bodies of the errors that Envoy answers by itself, for `local_reply_config` in envoy.yaml."""

import json

from services.runtime.error_catalogue import (
    BAD_PARAMETER,
    INTERNAL_ERROR,
    REASONS,
    REQUEST_TIMEOUT,
    TOO_SLOW,
    UNAVAILABLE,
    UNKNOWN_PATH,
    body,
)


def local_replies() -> dict[str, str]:
    """The values of the template, quoted for YAML."""
    bodies = {
        "UPBOT_FAULT": body("upbot", INTERNAL_ERROR),
        "MEMBER_FAULT": body("member", INTERNAL_ERROR),
        "SHOP_FAULT": body("shop", INTERNAL_ERROR),
        "GRPC_OVERLOADED": REASONS["TOO_MANY_CALLS"].message,
        "JSON_OVERLOADED": body("none", UNAVAILABLE),
        "UNKNOWN_PATH": body("none", UNKNOWN_PATH),
        # For broken HTTP Envoy has several statuses; it writes the one that it chose.
        "BROKEN_HTTP": body("none", BAD_PARAMETER, code="%RESPONSE_CODE%"),
    }
    texts = {**bodies, **_headers()}
    return {name: json.dumps(text, ensure_ascii=False) for name, text in texts.items()}


def _headers() -> dict[str, str]:
    """The headers by which programs tell failures apart, as Envoy's format strings."""
    status = "response.code"
    too_many = "response.code_details.contains('overflow')"
    return {
        "FAULT_REASON": _cel(
            (f"{status} == {TOO_SLOW.http}", TOO_SLOW.reason),
            (f"{status} == {UNAVAILABLE.http} && {too_many}", "TOO_MANY_CALLS"),
            (f"{status} == {UNAVAILABLE.http}", UNAVAILABLE.reason),
            otherwise=INTERNAL_ERROR.reason,
        ),
        # Envoy adds no header that is empty.
        "FAULT_RETRY_AFTER": _cel(
            (f"{status} == {UNAVAILABLE.http}", str(UNAVAILABLE.retry_after)), otherwise=""
        ),
        "OVERLOADED_REASON": "TOO_MANY_CALLS",
        "OVERLOADED_RETRY_AFTER": str(UNAVAILABLE.retry_after),
        "UNKNOWN_PATH_REASON": UNKNOWN_PATH.reason,
        "BROKEN_HTTP_REASON": _cel(
            (f"{status} == {REQUEST_TIMEOUT.http}", REQUEST_TIMEOUT.reason),
            otherwise=BAD_PARAMETER.reason,
        ),
    }


def _cel(*choices: tuple[str, str], otherwise: str) -> str:
    chosen = "".join(f"{condition} ? '{value}' : " for condition, value in choices)
    return f"%CEL({chosen}'{otherwise}')%"
