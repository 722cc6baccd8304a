"""The operations: one for each public path and method."""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tools.openapi.contract import Contract
from tools.openapi.errors import (
    HEADERS,
    error_reference,
    reasons_of,
    response_headers,
    response_name,
    statuses,
)
from tools.openapi.examples import Example, as_media, bodies, replies
from tools.openapi.schemas import Schema, Schemas
from tools.openapi.texts import Comment, first_sentence, read_comment, reasons_in, with_reasons
from tools.routes import Route

Operation = dict[str, Any]

JSON, FORM = "application/json", "application/x-www-form-urlencoded"

# GET /userlevel/{userId} is UpgradeUser instead of InitUser if `point` is present.
_INITIALISE = "levelgate.member.v1.MemberLevel/InitUser"
_UPGRADE = "levelgate.member.v1.MemberLevel/UpgradeUser"
_INITIALISE_OR_UPGRADE = "Creates a member or, with `point`, sets the member's total of points."
_SHOP_PATHS = ("/", "/addons/yun_shop/api.php")
_SHOP_ROUTE = {
    "name": "route",
    "in": "query",
    "required": True,
    "description": "The call, as in the document of the API.",
    "schema": {"const": "member.member-level.index"},
}
_PLACES = (
    "Each parameter that is not in the path may be sent in the query, in a form or in a JSON body;"
    " one that is sent twice is refused."
)
_BODY_OF_GET = (
    "This call, too, accepts its parameters in a form or in a JSON body instead of the query."
)
_OPENABLE = "Operators can allow this call without a token (`OPEN_FAMILIES`)."
_INVALID = "INVALID_PARAMETER"
_MENTIONS_HEADER = "`x-levelgate-affected-members`"


class Operations:
    """Builds the operations and, through `schemas`, the components that they use."""

    def __init__(
        self, contract: Contract, schemas: Schemas, examples: Mapping[str, Sequence[Example]]
    ) -> None:
        self._contract = contract
        self._schemas = schemas
        self._examples = examples
        self._routes = {route.rpc: route for route in contract.routes}

    def by_path(self) -> dict[str, dict[str, Operation]]:
        paths: dict[str, dict[str, Operation]] = {}
        for rpc, route in self._routes.items():
            if rpc == _UPGRADE:
                continue
            operation = self._operation(route)
            if rpc == _INITIALISE:
                self._add_upgrade(operation, self._routes[_UPGRADE])
            for number, path in enumerate(_public_paths(route)):
                suffix = "" if number == 0 else f"At{number + 1}"
                named = {**operation, "operationId": operation["operationId"] + suffix}
                paths.setdefault(path, {})[route.method.lower()] = named
        return paths

    def _operation(self, route: Route) -> Operation:
        examples = self._examples.get(route.rpc, ())
        comment = self._comment(route)
        summary = first_sentence(comment.text)
        operation: Operation = {
            "operationId": route.rpc.partition("/")[2],
            "tags": [family_of(route)],
            "summary": summary,
            **self._description(route, comment, summary),
            "security": _security(route),
            "parameters": self._parameters(route, examples),
            "responses": self._responses(route, comment, examples),
        }
        if _has_body(route):
            operation["requestBody"] = self._body(route, examples)
        return operation

    def _comment(self, route: Route) -> Comment:
        request = self._contract.message(route.request)
        names = self._contract.json_names(request)
        comment = read_comment(self._contract.comments[route.rpc.replace("/", ".")], names)
        of_fields = self._reasons_of_fields(request)
        return Comment(comment.text, {**comment.reasons, **of_fields})

    def _reasons_of_fields(self, request: Descriptor) -> dict[str, str]:
        found: dict[str, str] = {}
        for field in request.fields:
            found |= reasons_in(self._contract.comments.get(field.full_name, ""))
        return found

    def _description(self, route: Route, comment: Comment, summary: str) -> dict[str, str]:
        # Pages show the summary above the description: it should not say the same again.
        parts = [comment.text] if comment.text != summary else []
        if _has_parameters(self._contract.message(route.request)):
            if family_of(route) == "member" and _has_body(route):
                parts.append(_PLACES)
            elif route.method == "GET" and route.body == "*":
                parts.append(_BODY_OF_GET)
        if "openable" in route.access:
            parts.append(_OPENABLE)
        text = with_reasons("\n\n".join(parts), comment.reasons).strip()
        return {"description": text} if text else {}

    def _parameters(self, route: Route, examples: Sequence[Example]) -> list[Schema]:
        family = family_of(route)
        sample = examples[0].parameters() if examples else {}
        parameters: list[Schema] = [dict(_SHOP_ROUTE)] if family == "shop" else []
        for field in self._contract.message(route.request).fields:
            in_path = f"{{{field.name}}}" in route.path
            if not in_path and (family == "upbot" or not _fits_a_query(field)):
                continue
            schema, is_required = self._schemas.parameter(field)
            parameter: Schema = {
                "name": field.json_name,
                "in": "path" if in_path else "query",
                # In the query of a call with a body a parameter is only an alternative.
                "required": in_path or (is_required and not _has_body(route)),
                "description": schema.pop("description", ""),
                "schema": schema,
            }
            if in_path and examples:
                parameter["example"] = examples[0].last_of_path()
            elif field.json_name in sample and not _has_body(route):
                parameter["example"] = _typed(sample[field.json_name], schema)
            parameters.append(parameter)
        return parameters

    def _body(self, route: Route, examples: Sequence[Example]) -> Schema:
        message = self._contract.message(route.request)
        in_path = frozenset(name for name in message.fields_by_name if f"{{{name}}}" in route.path)
        reference = self._schemas.request(message, in_path)
        media: Schema = {"schema": reference}
        if found := bodies(examples):
            media["examples"] = as_media(found)
        content = {JSON: media}
        if family_of(route) == "member" and all(map(_fits_a_query, message.fields)):
            content[FORM] = {"schema": reference}
        # DELETE and the calls of the member family take their parameters from the query as well.
        return {"required": family_of(route) == "upbot", "content": content}

    def _responses(
        self, route: Route, comment: Comment, examples: Sequence[Example]
    ) -> dict[str, Any]:
        family = family_of(route)
        reply = self._schemas.reply(self._contract.reply_of(route))
        media: Schema = {"schema": {"oneOf": [reply, error_reference(family)]}}
        if found := replies(examples):
            media["examples"] = as_media(found)
        description = (
            "The reply. A parameter error, and an outcome such as an unknown user, has this status,"
            " too, with the body of a failure and the header x-levelgate-reason."
        )
        success = {
            "description": description,
            "headers": _headers(comment),
            "content": {JSON: media},
        }
        errors = {
            str(status): {"$ref": f"#/components/responses/{response_name(family, status)}"}
            for status in statuses()
        }
        return {"200": success, **errors}

    def _add_upgrade(self, operation: Operation, upgrade: Route) -> None:
        """GET /userlevel/{userId} is two calls."""
        other = self._operation(upgrade)
        one, two = (self._comment(route) for route in (self._routes[_INITIALISE], upgrade))
        operation["summary"] = _INITIALISE_OR_UPGRADE
        texts = (f"- Without `point`: {one.text}", f"- With `point`: {two.text}")
        text = "\n".join((*texts, "", _BODY_OF_GET, "", _OPENABLE))
        both = Comment(text, {**one.reasons, **two.reasons})
        operation["description"] = with_reasons(text, both.reasons)
        known = {parameter["name"] for parameter in operation["parameters"]}
        for parameter in other["parameters"]:
            if parameter["name"] not in known:
                operation["parameters"].append({**parameter, "required": False})
        success = operation["responses"]["200"]
        success["headers"] = _headers(both)
        _merge(success["content"][JSON], other["responses"]["200"]["content"][JSON])


def _merge(one: Schema, two: Schema) -> None:
    """Adds the reply and the examples of the second call to the first."""
    one["schema"]["oneOf"].insert(1, two["schema"]["oneOf"][0])
    found = [
        (each["summary"], each["value"])
        for media in (one, two)
        for each in media.get("examples", {}).values()
    ]
    one["examples"] = as_media(found)


def _headers(comment: Comment) -> dict[str, Any]:
    headers = response_headers(200)
    reasons = [_INVALID, *(name for name in comment.reasons if name in reasons_of(200))]
    headers["x-levelgate-reason"] = {
        "description": HEADERS["Reason"]["description"],
        "schema": {"type": "string", "enum": list(dict.fromkeys(reasons))},
    }
    if _MENTIONS_HEADER in comment.text:
        name = _MENTIONS_HEADER.strip("`")
        headers[name] = {"$ref": "#/components/headers/AffectedMembers"}
    return headers


def family_of(route: Route) -> str:
    first = route.path.split("/")[1]
    return first if first in {"upbot", "shop"} else "member"


def _public_paths(route: Route) -> tuple[str, ...]:
    if family_of(route) == "shop":
        return _SHOP_PATHS
    return (route.path.replace("{user_id}", "{userId}"),)


def _has_body(route: Route) -> bool:
    # A GET may have a body here as well, but HTTP gives it no meaning and browsers send none.
    return route.body == "*" and route.method != "GET"


def _has_parameters(request: Descriptor) -> bool:
    return any(field.name != "user_id" for field in request.fields)


def _fits_a_query(field: FieldDescriptor) -> bool:
    inner = field.message_type
    return inner is None or inner.full_name == "google.protobuf.Timestamp"


def _security(route: Route) -> list[dict[str, list[str]]]:
    if route.access == "public":
        return []
    scope, *marks = route.access.split("+")
    needed = [{"appToken": [scope]}]
    return needed + ([{"memberToken": []}] if "member" in marks else [])


def _typed(text: str, schema: Schema) -> Any:
    return int(text) if schema.get("type") == "integer" else text
