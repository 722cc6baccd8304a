"""Between a line of a file and the row of an import or export. Pure.

NDJSON is the JSON form of UserRow; CSV has its plain fields as columns. A row is a line in both: no
valid cell holds a line break, so a stray quote spoils one line and not the rest of the file.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from levelgate.member.v1.member_bulk_pb2 import UserRow

COLUMNS = ("user_id", "points", "level", "by_hand", "partner_id", "protected_until", "version")
REQUIRED = ("user_id", "points")

_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
_FLAGS = {"true": True, "false": False, "1": True, "0": False}
# What a JSON row may hold to go the short way: name, and the type that JSON must give.
_PLAIN: Mapping[str, tuple[str, type]] = {
    "userId": ("user_id", str),
    "user_id": ("user_id", str),
    "points": ("points", int),
    "level": ("level", int),
}


class WrongLineError(Exception):
    """The line is no row; the text says which field and why."""


class WrongHeaderError(Exception):
    """The first line of a CSV file does not name the columns."""


Reader = Callable[[str], UserRow]


def read_json(line: str) -> UserRow:
    """Raises WrongLineError."""
    try:
        fields = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise WrongLineError("must be one JSON object") from error
    if not isinstance(fields, dict):
        raise WrongLineError("must be one JSON object")
    plain = _plain_fields(fields)
    if plain is not None:
        return UserRow(**plain)
    try:
        return json_format.ParseDict(fields, UserRow())
    except (json_format.ParseError, TypeError, ValueError, RecursionError) as error:
        raise WrongLineError(str(error).splitlines()[0]) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise WrongLineError("must name each field once")
    return fields


def _plain_fields(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The row's fields where it has only plain ones of the right types; None: ask protobuf."""
    plain: dict[str, Any] = {}
    for name, value in fields.items():
        known = _PLAIN.get(name)
        # A bool is an int to Python, and not to protobuf.
        if known is None or type(value) is not known[1]:
            return None
        if known[0] in plain:
            raise WrongLineError(f"{name}: is given twice")
        if isinstance(value, int) and not _INT32[0] <= value <= _INT32[1]:
            return None
        plain[known[0]] = value
    return plain


def csv_reader(header: str) -> Reader:
    """Reads the rows under this header. Raises WrongHeaderError."""
    columns = _cells(header) or []
    unknown = [column for column in columns if column not in COLUMNS]
    missing = [column for column in REQUIRED if column not in columns]
    if unknown or missing or len(set(columns)) != len(columns):
        raise WrongHeaderError(
            f"the first line must name columns out of {', '.join(COLUMNS)}, each once, user_id and"
            f" points among them; it is: {header.strip()[:200]!r}"
        )

    def read(line: str) -> UserRow:
        cells = _cells(line)
        if cells is None or len(cells) != len(columns):
            count = "an open quote" if cells is None else str(len(cells))
            raise WrongLineError(f"must have {len(columns)} cells; got {count}")
        return _from_cells(dict(zip(columns, cells, strict=True)))

    return read


def _cells(line: str) -> list[str] | None:
    try:
        rows = list(csv.reader([line], strict=True))
    except csv.Error:
        return None
    return rows[0] if rows else []


def _from_cells(cells: Mapping[str, str]) -> UserRow:
    given = {column: value for column, value in cells.items() if value != ""}
    row = UserRow(user_id=given.get("user_id", ""), partner_id=given.get("partner_id", ""))
    if "points" in given:
        row.points = _number("points", given["points"], _INT32)
    if "level" in given:
        row.level = _number("level", given["level"], _INT32)
    if "version" in given:
        row.version = _number("version", given["version"], _INT64)
    if "by_hand" in given:
        flag = _FLAGS.get(given["by_hand"].lower())
        if flag is None:
            raise WrongLineError("by_hand: must be true or false")
        row.by_hand = flag
    if "protected_until" in given:
        row.protected_until.CopyFrom(_time(given["protected_until"]))
    return row


def _number(field: str, text: str, bounds: tuple[int, int]) -> int:
    digits = text.removeprefix("-")
    # int() would take blanks, underscores and the digits of other scripts.
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise WrongLineError(f"{field}: must be a whole number")
    number = int(text)
    if not bounds[0] <= number <= bounds[1]:
        raise WrongLineError(f"{field}: must be {bounds[0]}..{bounds[1]}")
    return number


def _time(text: str) -> Timestamp:
    time = Timestamp()
    try:
        time.FromJsonString(text)
    except ValueError as error:
        raise WrongLineError("protected_until: must be a time as 2026-11-21T08:00:00Z") from error
    return time


def write_json(row: UserRow) -> str:
    """One line, with its end."""
    if row.history or row.by_hand:
        fields = json_format.MessageToDict(row)
    else:
        fields = {"userId": row.user_id, "points": row.points, "level": row.level}
        fields["version"] = str(row.version)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


def csv_header() -> str:
    return ",".join(COLUMNS) + "\n"


def write_csv(row: UserRow) -> str:
    """One line, with its end; the history has no place in it."""
    until = ""
    if row.by_hand:
        until = datetime.fromtimestamp(row.protected_until.seconds, UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
    flag = "true" if row.by_hand else ""
    return csv_line((row.user_id, row.points, row.level, flag, row.partner_id, until, row.version))


def csv_line(cells: Sequence[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


@dataclass(frozen=True)
class Reject:
    """A line that was left out, and why."""

    line: int
    reason: str
    text: bytes

    def as_json(self) -> str:
        """One line of the rejects file, with its end; text that is no UTF-8 is escaped."""
        text = self.text.decode(errors="backslashreplace").rstrip("\r\n")
        fields = {"line": self.line, "reason": self.reason, "text": text}
        return json.dumps(fields, ensure_ascii=False) + "\n"
