"""Writes gateway/lua/fields.lua: the fields that each JSON call reads."""

import json

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tools.routes import load, read_routes

_HEAD = """\
-- Written by `make generate` from protos/: the fields that each JSON call reads, by its method and
-- its path up to the user. A field is found by each of its spellings. `list` means that it is
-- repeated. `of` are the fields of its message; a scalar has none.
local messages = {
"""
_TAIL = """\
}

for _, fields in pairs(messages) do
  for _, field in pairs(fields) do field.of = messages[field.of] end
end

return {
"""


def field_module(descriptor_set: bytes) -> str:
    """A Lua module that returns a table from calls to fields."""
    pool = load(descriptor_set)
    calls: dict[str, str] = {}
    messages: dict[str, Descriptor] = {}
    for route in read_routes(descriptor_set):
        if route.path != "-":
            request = pool.FindMessageTypeByName(route.request)
            calls[f"{route.method} {route.path.partition('{')[0]}"] = request.full_name
            _gather(request, messages)
    parts = [_HEAD]
    for name, message in sorted(messages.items()):
        parts += [f"  {_key(name)} = {{\n", *map(_field, message.fields), "  },\n"]
    parts.append(_TAIL)
    parts += [f"  {_key(call)} = messages[{json.dumps(name)}],\n" for call, name in calls.items()]
    return "".join([*parts, "}\n"])


def _gather(message: Descriptor, found: dict[str, Descriptor]) -> None:
    if message.full_name not in found:
        found[message.full_name] = message
        for field in message.fields:
            if inner := _message_of(field):
                _gather(inner, found)


def _message_of(field: FieldDescriptor) -> Descriptor | None:
    """None for a scalar, and for a type that JSON writes as one, as a Timestamp."""
    inner = field.message_type
    if inner is None or inner.full_name.startswith("google.protobuf."):
        return None
    if inner.GetOptions().map_entry:
        raise SystemExit(f"generate: the gateway's Lua checks no map: {field.full_name}")
    return inner


def _field(field: FieldDescriptor) -> str:
    inner = _message_of(field)
    parts = [f"name = {json.dumps(field.json_name)}"]
    parts += ["list = true"] if field.is_repeated else []
    parts += [f"of = {json.dumps(inner.full_name)}"] if inner else []
    spellings = dict.fromkeys((field.json_name, field.name))
    return "".join(f"    {_key(name)} = {{ {', '.join(parts)} }},\n" for name in spellings)


def _key(name: str) -> str:
    return f"[{json.dumps(name)}]"
