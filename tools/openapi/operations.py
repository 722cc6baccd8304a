"""The operations: one for each public path and method."""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from tools.openapi.contract import Contract
from tools.openapi.errors import error_reference, response_headers, response_name, statuses
from tools.openapi.examples import Example, as_media, bodies, replies
from tools.openapi.schemas import Schema, Schemas
from tools.routes import Route

Operation = dict[str, Any]

JSON, FORM = "application/json", "application/x-www-form-urlencoded"

# The gateway calls UpgradeUser instead of InitUser if `point` is present.
_INITIALISE = "levelgate.member.v1.MemberLevel/InitUser"
_UPGRADE = "levelgate.member.v1.MemberLevel/UpgradeUser"
_SHOP_PATHS = ("/", "/addons/yun_shop/api.php")
_SHOP_ROUTE = {
    "name": "route",
    "in": "query",
    "required": True,
    "description": "The call, as in the document of the API.",
    "schema": {"const": "member.member-level.index"},
}
_PLACES = (
    "The parameters may be sent in the query, in a form or in a JSON body; one that is sent twice"
    " is refused."
)


class Operations:
    """Builds the operations and, through `schemas`, the components that they use."""

    def __init__(
        self, contract: Contract, schemas: Schemas, examples: Mapping[str, Sequence[Example]]
    ) -> None:
        self._contract = contract
        self._schemas = schemas
        self._examples = examples

    def by_path(self) -> dict[str, dict[str, Operation]]:
        routes = {route.rpc: route for route in self._contract.routes}
        paths: dict[str, dict[str, Operation]] = {}
        for rpc, route in routes.items():
            if rpc == _UPGRADE:
                continue
            operation = self._operation(route)
            if rpc == _INITIALISE:
                self._add_upgrade(operation, routes[_UPGRADE])
            for number, path in enumerate(_public_paths(route)):
                suffix = "" if number == 0 else f"At{number + 1}"
                named = {**operation, "operationId": operation["operationId"] + suffix}
                paths.setdefault(path, {})[route.method.lower()] = named
        return paths

    def _operation(self, route: Route) -> Operation:
        family = family_of(route)
        examples = self._examples.get(route.rpc, ())
        comment = _without_path(self._contract.comments[route.rpc.replace("/", ".")])
        operation: Operation = {
            "operationId": route.rpc.partition("/")[2],
            "tags": [family],
            "summary": _first_sentence(comment),
            "description": f"{comment} {_PLACES}" if family == "member" else comment,
            "security": _security(route),
            "parameters": self._parameters(route, examples),
            "responses": self._responses(route, examples),
        }
        if _has_body(route):
            operation["requestBody"] = self._body(route, examples)
        return operation

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
            if field.json_name in sample and not _has_body(route):
                parameter["example"] = _typed(sample[field.json_name], schema)
            parameters.append(parameter)
        return parameters

    def _body(self, route: Route, examples: Sequence[Example]) -> Schema:
        reference = self._schemas.request(self._contract.message(route.request))
        media: Schema = {"schema": reference}
        if found := bodies(examples):
            media["examples"] = as_media(found)
        content = {JSON: media}
        if family_of(route) == "member":
            content[FORM] = {"schema": reference}
        # DELETE and the calls of the member family take their parameters from the query as well.
        return {"required": family_of(route) == "upbot", "content": content}

    def _responses(self, route: Route, examples: Sequence[Example]) -> dict[str, Any]:
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
            "headers": response_headers(200),
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
        operation["summary"] = f"{operation['summary']} {other['summary']}"
        operation["description"] = (
            f"{operation['description']} With `point`: {other['description']}"
        )
        known = {parameter["name"] for parameter in operation["parameters"]}
        for parameter in other["parameters"]:
            if parameter["name"] not in known:
                operation["parameters"].append({**parameter, "required": False})
        one, two = (each["responses"]["200"]["content"][JSON] for each in (operation, other))
        one["schema"]["oneOf"].insert(1, two["schema"]["oneOf"][0])
        one["examples"] = as_media(
            [
                (each["summary"], each["value"])
                for media in (one, two)
                for each in media.get("examples", {}).values()
            ]
        )


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


def _without_path(comment: str) -> str:
    """The comment without the "GET /path: " before it."""
    head, colon, rest = comment.partition(": ")
    if colon and head.split(" ")[0] in {"GET", "POST", "DELETE"}:
        return rest[0].upper() + rest[1:]
    return comment


def _first_sentence(comment: str) -> str:
    sentence = comment.partition(". ")[0].rstrip(".")
    return sentence.partition(": ")[0].partition("; ")[0] + "."
