"""NDJSON: each line is the JSON form of a UserRow, as protobuf reads it. Pure.

Plain rows go a short way, several times as fast as protobuf's own; what is not plain, and what is
wrong, goes to protobuf, so that there is one judge of what is right.
"""

import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format

from levelgate.member.v1.member_bulk_pb2 import UserRow
from operations.commands.bulk.rows import INT32, INT64, WrongLineError, quick_time, time_text

# As far as a reason is told: protobuf repeats the value, and that may be long.
_LONGEST_REASON = 300

# How a row may name its fields.
_NAMES = {
    name: field.name
    for field in UserRow.DESCRIPTOR.fields
    if field.name != "history"
    for name in (field.name, field.camelcase_name)
}
# What JSON must give for the short way, by field.
_TYPES: Mapping[str, type] = {
    "user_id": str,
    "points": int,
    "level": int,
    "by_hand": bool,
    "partner_id": str,
    "protected_until": str,
    # What protobuf writes, as JSON's numbers end at 2^53; a whole number is taken as well.
    "version": str,
}


def read_json(line: str) -> UserRow:
    """Raises WrongLineError."""
    try:
        fields = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise WrongLineError(f"must be one JSON object: {error.msg} at {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise WrongLineError("must be one JSON object, of sane numbers and depth") from error
    if not isinstance(fields, dict):
        raise WrongLineError("must be one JSON object")
    plain = _plain_fields(fields)
    try:
        # Half a surrogate pair passes as a str, and is found out only here.
        return json_format.ParseDict(fields, UserRow()) if plain is None else UserRow(**plain)
    except UnicodeEncodeError as error:
        raise WrongLineError("must hold no half of a surrogate pair") from error
    except (json_format.Error, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise WrongLineError(str(error).partition("\n")[0][:_LONGEST_REASON]) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise WrongLineError("must name each field once")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_once)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _plain_fields(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The row's fields where it has only plain ones, of the right types; None: ask protobuf."""
    plain: dict[str, Any] = {}
    for name, given in fields.items():
        field = _NAMES.get(name)
        # Not isinstance(): a bool is an int to Python, and not to protobuf.
        if field is None:
            return None
        if type(given) is not _TYPES[field] and (field != "version" or type(given) is not int):
            return None
        if field in plain:
            raise WrongLineError(f"{field}: is given twice")
        value = _plain_value(field, given)
        if value is None:
            return None
        plain[field] = value
    return plain


def _plain_value(field: str, given: Any) -> object:
    if field == "version":
        return _version(given)
    if field == "protected_until":
        return quick_time(given)
    if field in {"points", "level"} and not INT32[0] <= given <= INT32[1]:
        return None
    value: object = given
    return value


def _version(given: str | int) -> int | None:
    if isinstance(given, str):
        if not (given.isascii() and given.isdigit() and len(given) < 20):
            return None
        given = int(given)
    return given if INT64[0] <= given <= INT64[1] else None


def write_json(row: UserRow) -> str:
    """One line, with its end."""
    if row.history:
        return _ENCODER.encode(json_format.MessageToDict(row)) + "\n"
    fields: dict[str, object] = {"userId": row.user_id}
    if row.HasField("points"):
        fields["points"] = row.points
    if row.HasField("level"):
        fields["level"] = row.level
    if row.by_hand:
        fields["byHand"] = True
    if row.partner_id:
        fields["partnerId"] = row.partner_id
    if row.HasField("protected_until"):
        fields["protectedUntil"] = time_text(row.protected_until)
    if row.version:
        fields["version"] = str(row.version)
    return _ENCODER.encode(fields) + "\n"
