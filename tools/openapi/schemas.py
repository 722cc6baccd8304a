"""The JSON Schemas of messages: what callers may send, and what the gateway prints."""

import re
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tools.openapi.contract import Contract, camel_case
from tools.openapi.ranges import read_range
from tools.openapi.texts import for_json

Schema = dict[str, Any]

_TYPES: dict[int, Schema] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_INT64: {"type": "string", "pattern": "^-?[0-9]{1,19}$"},
}
_KINDS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
}
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Value": {"type": ["string", "array", "null"]},
}
_CONSTANT = re.compile(r'^(?:Always (?="\w*"[.,]|\d+[.,])|(?="\w*"\.$))(?:"(\w*)"|(\d+))')
# Messages of which one of these fields is enough, and the message says so in words.
_ONE_OF = {
    "UpdateRuleRequest": ("id", "vipLevel"),
    "CheckGameInfoRequest": ("xinyue_codes", "compare_info"),
    "GameInfoIs": ("xinyue_codes", "compare_info"),
}
# Versions are 0 to 2^53-1; without this, tools show negative ones as samples.
_VERSION: Schema = {"type": "string", "pattern": "^[0-9]{1,16}$"}
# What the proto calls goods_other_shape is printed as goods, which the schema of Goods describes.
_PRINTED_AS_ANOTHER = {"goods_other_shape"}


class Schemas:
    """Collects the components; `requests` and `replies` differ in what is required."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self.components: dict[str, Schema] = {}

    def request(self, message: Descriptor, in_path: frozenset[str] = frozenset()) -> Schema:
        """A reference to the schema of a message that callers send, without the fields of the path
        of its call.
        """
        name = _component_name(message, is_reply=False)
        if name not in self.components:
            self.components[name] = {}  # Condition contains itself.
            described = _described(self._request(message, in_path), self._comment(message))
            self.components[name] = described
        return {"$ref": f"#/components/schemas/{name}"}

    def reply(self, message: Descriptor) -> Schema:
        """A reference to the schema of a message that the gateway prints."""
        name = _component_name(message, is_reply=True)
        if name not in self.components:
            self.components[name] = {}
            self.components[name] = _described(self._reply(message), self._comment(message))
        return {"$ref": f"#/components/schemas/{name}"}

    def parameter(self, field: FieldDescriptor) -> tuple[Schema, bool]:
        """The schema of a request field, with its description, and whether it is required."""
        comment = self._contract.comments.get(field.full_name, "")
        schema = self._of_field(field, is_reply=False)
        found = read_range(
            comment,
            _KINDS.get(field.type, ""),
            is_list=field.is_repeated,
            may_be_absent=_is_optional(field) or (_is_message(field) and not field.is_repeated),
        )
        schema = {**schema, **found.keywords}
        if field.is_repeated and found.of_items:
            schema["items"] = {**schema["items"], **found.of_items}
        return _described(schema, self._comment(field)), found.is_required

    def _comment(self, named: Descriptor | FieldDescriptor) -> str:
        comment = self._contract.comments.get(named.full_name, "")
        return for_json(comment, self._contract.json_names(named))

    def _request(self, message: Descriptor, in_path: frozenset[str]) -> Schema:
        schema: Schema = {"type": "object", "properties": {}, "required": []}
        for field in message.fields:
            if field.name in in_path:
                continue
            property_, is_required = self.parameter(field)
            if has_two_names(field):
                _add_two_names(schema, field, property_)
                continue
            schema["properties"][field.json_name] = property_
            schema["required"] += [field.json_name] if is_required else []
        # Exactly one of the fields of a oneof is set.
        if any(field.containing_oneof and not _is_optional(field) for field in message.fields):
            schema |= {"minProperties": 1, "maxProperties": 1}
        if enough := _ONE_OF.get(message.name):
            schema["anyOf"] = [{"required": [name]} for name in enough]
        return schema if schema["required"] else _without(schema, "required")

    def _reply(self, message: Descriptor) -> Schema:
        properties, required = {}, []
        for field in message.fields:
            if field.name in _PRINTED_AS_ANOTHER:
                continue
            comment = self._comment(field)
            schema = self._of_field(field, is_reply=True)
            if constant := _CONSTANT.match(comment):
                schema = {"const": int(constant[2]) if constant[2] else constant[1]}
            properties[field.json_name] = _described(schema, comment)
            # The gateway prints a default value, too, unless its absence means something.
            if not field.has_presence:
                required.append(field.json_name)
        return {"type": "object", "properties": properties, "required": required}

    def _of_field(self, field: FieldDescriptor, *, is_reply: bool) -> Schema:
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            value = self._single(inner.fields_by_name["value"], is_reply=is_reply)
            return {"type": "object", "additionalProperties": value}
        single = self._single(field, is_reply=is_reply)
        return {"type": "array", "items": single} if field.is_repeated else single

    def _single(self, field: FieldDescriptor, *, is_reply: bool) -> Schema:
        inner = field.message_type
        if inner is None:
            return _scalar(field, is_reply=is_reply)
        if inner.full_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[inner.full_name])
        if inner.name == "Goods":
            # A shop without goods prints null, or an array if it is configured for it.
            return {"oneOf": [self.reply(inner), {"type": ["null", "array"]}]}
        return self.reply(inner) if is_reply else self.request(inner)


def _scalar(field: FieldDescriptor, *, is_reply: bool) -> Schema:
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    if field.type == FieldDescriptor.TYPE_INT64 and not is_reply:
        return {"type": ["integer", "string"], "pattern": "^-?[0-9]{1,19}$"}
    if field.type == FieldDescriptor.TYPE_INT64 and field.name in {"version", "previous_version"}:
        return dict(_VERSION)
    return dict(_TYPES[field.type])


def _component_name(message: Descriptor, *, is_reply: bool) -> str:
    """Some messages are sent and printed, and have other required fields in each direction."""
    return message.name if is_reply or message.name.endswith("Request") else f"{message.name}Input"


def has_two_names(field: FieldDescriptor) -> bool:
    """Whether a document calls this list by two names: "levels" in its table, "level" in its
    example. Both are accepted, and a single value instead of a list.
    """
    is_other = field.json_name not in {field.name, camel_case(field.name)}
    return field.is_repeated and is_other


def _add_two_names(schema: Schema, field: FieldDescriptor, property_: Schema) -> None:
    either = {**property_, "type": ["array", *_as_list(property_["items"]["type"])]}
    for keyword in ("minimum", "maximum"):
        either[keyword] = property_["items"][keyword]
    schema["properties"][field.json_name] = either
    schema["properties"][field.name] = _described(
        _without(either, "description"), f"Another name of `{field.json_name}`."
    )
    schema["anyOf"] = [{"required": [field.json_name]}, {"required": [field.name]}]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _without(schema: Schema, keyword: str) -> Schema:
    return {name: value for name, value in schema.items() if name != keyword}


def _is_message(field: FieldDescriptor) -> bool:
    return field.message_type is not None


def _is_optional(field: FieldDescriptor) -> bool:
    """Whether the field is declared `optional`, and not one of several in a oneof."""
    group = field.containing_oneof
    return group is not None and len(group.fields) == 1


def _described(schema: Schema, comment: str) -> Schema:
    # OpenAPI 3.1 allows a description beside a reference, too.
    return {**schema, "description": comment} if comment else schema
