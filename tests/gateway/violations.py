"""Whether a request is one that the OpenAPI document does not allow, whatever the gateway tolerates
beyond its schemas: null for an absent parameter, and a number as a string.
"""

from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]


def is_violation(
    document: Schema, operation: Schema, query: Any, body: Any, path_parameters: Any
) -> bool:
    """False as well where the document alone does not tell."""
    in_query, in_body = dict(query or {}), body if isinstance(body, dict) else {}
    if set(in_query) & set(in_body) or not all(map(_is_single, in_query.values())):
        return False
    sent = {**in_query, **in_body, **dict(path_parameters or {})}
    schema = _schema(document, operation)
    validator = Draft202012Validator({**schema, "components": document["components"]})
    return not validator.is_valid(_tolerated(document, sent, schema))


def _schema(document: Schema, operation: Schema) -> Schema:
    """All parameters of a call, wherever they are sent, as one object."""
    found: Schema = {"properties": {}, "required": []}
    for parameter in operation["parameters"]:
        found["properties"][parameter["name"]] = parameter["schema"]
        found["required"] += [parameter["name"]] if parameter["required"] else []
    for media in operation.get("requestBody", {"content": {}})["content"].values():
        inner = _resolved(document, media["schema"])
        found["properties"] |= inner["properties"]
        found["required"] += inner.get("required", [])
        found |= {name: inner[name] for name in ("anyOf",) if name in inner}
    return found


def _resolved(document: Schema, schema: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _tolerated(document: Schema, value: Any, schema: Schema) -> Any:
    """The value as the gateway reads it."""
    schema = _resolved(document, schema)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return {
            name: _tolerated(document, each, known.get(name, {}))
            for name, each in value.items()
            if each is not None
        }
    if isinstance(value, list):
        return [_tolerated(document, each, schema.get("items", {})) for each in value]
    kinds = schema.get("type", [])
    if isinstance(value, str) and ("integer" in kinds or "array" in kinds):
        return _number(value)
    if isinstance(value, str) and "boolean" in kinds:
        return {"true": True, "false": False}.get(value, value)
    return value


def _number(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return text
    if not number.is_integer():
        return text
    try:
        return int(text)
    except ValueError:
        return int(number)


def _is_single(value: Any) -> bool:
    return not isinstance(value, (list, dict))
