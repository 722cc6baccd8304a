"""The JSON Schemas of messages: what callers may send, and what the gateway prints."""

import re
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tools.openapi.contract import Contract
from tools.openapi.ranges import read_range

Schema = dict[str, Any]

_TYPES: dict[int, Schema] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_INT64: {"type": "string", "pattern": "^-?[0-9]{1,19}$"},
}
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Value": {"type": ["string", "array", "null"]},
}
_CONSTANT = re.compile(r'^Always (?:"(\w*)"|(\d+))[.,]')
# What the proto calls goods_other_shape is printed as goods, which the schema of Goods describes.
_PRINTED_AS_ANOTHER = {"goods_other_shape"}


class Schemas:
    """Collects the components; `requests` and `replies` differ in what is required."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self.components: dict[str, Schema] = {}

    def request(self, message: Descriptor) -> Schema:
        """A reference to the schema of a message that callers send."""
        return self._reference(message, is_reply=False)

    def reply(self, message: Descriptor) -> Schema:
        """A reference to the schema of a message that the gateway prints."""
        return self._reference(message, is_reply=True)

    def parameter(self, field: FieldDescriptor) -> tuple[Schema, bool]:
        """The schema of a request field, with its description, and whether it is required."""
        comment = self._contract.comments.get(field.full_name, "")
        schema = self._of_field(field, is_reply=False)
        kind = "array" if field.is_repeated else str(schema.get("type", ""))
        if field.type == FieldDescriptor.TYPE_INT64:
            kind = "int64"
        range_ = read_range(comment, kind, is_optional=_may_be_absent(field))
        schema = {**schema, **range_.keywords}
        return _described(schema, comment), range_.is_required

    def _reference(self, message: Descriptor, *, is_reply: bool) -> Schema:
        name = _component_name(message, is_reply=is_reply)
        if name not in self.components:
            self.components[name] = {}  # Condition contains itself.
            make = self._reply if is_reply else self._request
            comment = self._contract.comments.get(message.full_name, "")
            self.components[name] = _described(make(message), comment)
        return {"$ref": f"#/components/schemas/{name}"}

    def _request(self, message: Descriptor) -> Schema:
        properties, required = {}, []
        for field in message.fields:
            properties[field.json_name], is_required = self.parameter(field)
            required += [field.json_name] if is_required else []
        schema: Schema = {"type": "object", "properties": properties}
        # Exactly one of the fields of a oneof is set.
        if any(field.containing_oneof and not _is_optional(field) for field in message.fields):
            schema |= {"minProperties": 1, "maxProperties": 1}
        return schema | ({"required": required} if required else {})

    def _reply(self, message: Descriptor) -> Schema:
        properties, required = {}, []
        for field in message.fields:
            if field.name in _PRINTED_AS_ANOTHER:
                continue
            comment = self._contract.comments.get(field.full_name, "")
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
            return {"oneOf": [self._reference(inner, is_reply=True), {"type": ["null", "array"]}]}
        return self._reference(inner, is_reply=is_reply)


def _scalar(field: FieldDescriptor, *, is_reply: bool) -> Schema:
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    if field.type == FieldDescriptor.TYPE_INT64 and not is_reply:
        return {"type": ["integer", "string"], "pattern": "^-?[0-9]{1,19}$"}
    return dict(_TYPES[field.type])


def _component_name(message: Descriptor, *, is_reply: bool) -> str:
    """Some messages are sent and printed, and have other required fields in each direction."""
    return message.name if is_reply or message.name.endswith("Request") else f"{message.name}Input"


def _may_be_absent(field: FieldDescriptor) -> bool:
    return _is_optional(field) or field.message_type is not None


def _is_optional(field: FieldDescriptor) -> bool:
    """Whether the field is declared `optional`, and not one of several in a oneof."""
    group = field.containing_oneof
    return group is not None and len(group.fields) == 1


def _described(schema: Schema, comment: str) -> Schema:
    # OpenAPI 3.1 allows a description beside a reference, too.
    return {**schema, "description": comment} if comment else schema
