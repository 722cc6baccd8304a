"""Puts the OpenAPI document together."""

import json
from typing import Any

from levelgate import __version__
from tools.openapi.contract import read_contract
from tools.openapi.errors import HEADERS, error_responses, error_schemas
from tools.openapi.examples import examples_by_rpc
from tools.openapi.operations import Operations
from tools.openapi.schemas import Schemas

_DESCRIPTION = """\
levelgate keeps one level for each user of a membership programme, and tells what it entitles the \
user to.

Get a token with `POST /upbot/api/auth/GetAccessToken` and send it in the header `Authorization`. \
Calls are grouped by family: the API document that they come from.

A failure has the body of its family; the headers `x-levelgate-reason` and `x-levelgate-field` \
tell programs what was wrong. Many failures have HTTP status 200, because the original documents \
know no other.

Unknown parameters are ignored. A parameter that is null counts as absent, and a number may be \
sent as a string. Numbers of 64 bits, such as versions, are strings in replies.
"""
_TAGS = (
    ("upbot", "Checks of users, searches, and tokens. Bodies are JSON: `ret` is 0 for a reply."),
    (
        "member",
        "Members, their levels and points, and the rules. `code` is `success` for a reply.\n\n"
        "The path names the user; `userId` or `useId` in the query may repeat it. The names of the "
        "gRPC contracts, such as `user_id` and `vip_level`, are accepted as well. JSON is "
        "recognised by its first character, too, because `curl -d` sends it with the content "
        "type of a form.",
    ),
    ("shop", "The levels of a shop with their benefits. `result` is 1 for a reply."),
)
_SECURITY = {
    "appToken": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "The access token of an app, with or without `Bearer ` before it.",
    },
    "memberToken": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "The session token of a member, for the member's own page.",
    },
}


def openapi(image: bytes) -> dict[str, Any]:
    """The document, from a descriptor set with source information."""
    contract = read_contract(image)
    schemas = Schemas(contract)
    paths = Operations(contract, schemas, examples_by_rpc()).by_path()
    return {
        "openapi": "3.1.0",
        "info": {"title": "levelgate", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted({**schemas.components, **error_schemas()}.items())),
            "responses": error_responses(),
            "headers": dict(HEADERS),
            "securitySchemes": _SECURITY,
        },
    }


def as_text(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
