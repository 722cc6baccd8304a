"""The bodies of the errors that Envoy answers by itself, for `local_reply_config` in envoy.yaml."""

import json

from services.runtime.error_catalogue import (
    BAD_PARAMETER,
    INTERNAL_ERROR,
    REASONS,
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
    return {name: json.dumps(text, ensure_ascii=False) for name, text in bodies.items()}
