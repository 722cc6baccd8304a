"""CSV: a header, then a record for each row, with the plain fields of a UserRow. Pure."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from levelgate.member.v1.member_bulk_pb2 import UserRow
from operations.commands.bulk.rows import Reader, WrongLineError, number, time, time_text
from services.runtime.validation import MAX_INT32
from services.user_state.record import MAX_IMPORTED_VERSION

COLUMNS = ("user_id", "points", "level", "by_hand", "partner_id", "protected_until", "version")
REQUIRED = ("user_id", "points")

_FLAGS = {"true": True, "false": False, "1": True, "0": False}
# As the service has them: it says the same of a line of JSON.
_BOUNDS = {
    "points": (0, MAX_INT32),
    "level": (0, MAX_INT32),
    "version": (0, MAX_IMPORTED_VERSION),
}


class WrongHeaderError(Exception):
    """The first line of a CSV file does not name the columns."""


def csv_reader(header: str) -> Reader:
    """Reads the rows under this header. Raises WrongHeaderError."""
    try:
        columns = _cells(header)
    except csv.Error:
        columns = []
    unknown = [column for column in columns if column not in COLUMNS]
    missing = [column for column in REQUIRED if column not in columns]
    if unknown or missing or len(set(columns)) != len(columns):
        raise WrongHeaderError(
            f"the first line must name columns out of {', '.join(COLUMNS)}, each once, user_id and"
            f" points among them; it is: {header.strip()[:200]!r}"
        )

    def read(line: str) -> UserRow:
        try:
            cells = _cells(line)
        except csv.Error as error:
            raise WrongLineError(
                f"must have {len(columns)} cells; a quote or a line break is wrong: {error}"
            ) from error
        if len(cells) != len(columns):
            raise WrongLineError(f"must have {len(columns)} cells; got {len(cells)}")
        return _row(columns, cells)

    return read


def ends_open(text: str) -> bool:
    """Whether a quote is still open at the end, so that the record goes on in the next line.

    In the middle of a record, with a quote open, that is `ends_open('"' + line)`.
    """
    # The csv module itself tells: with a quote open it asks for another line.
    lines = iter((text, ""))
    try:
        next(csv.reader(lines))
    except csv.Error:
        return False
    return next(lines, None) is None


def _cells(line: str) -> list[str]:
    return next(csv.reader((line,), strict=True), [])


def _row(columns: Sequence[str], cells: Sequence[str]) -> UserRow:
    fields: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=True):
        if not cell:
            continue
        bounds = _BOUNDS.get(column)
        if bounds is not None:
            fields[column] = number(column, cell, bounds)
        elif column == "by_hand":
            fields[column] = _flag(column, cell)
        elif column == "protected_until":
            fields[column] = time(column, cell)
        else:
            fields[column] = cell
    return UserRow(**fields)


def _flag(column: str, cell: str) -> bool:
    flag = _FLAGS.get(cell.lower())
    if flag is None:
        raise WrongLineError(f"{column}: must be true or false; got {cell[:40]!r}")
    return flag


def csv_header() -> str:
    """One line, with its end."""
    return ",".join(COLUMNS) + "\n"


def write_csv(row: UserRow) -> str:
    """One line, with its end; the history has no place in it."""
    cells = (
        row.user_id,
        row.points if row.HasField("points") else "",
        row.level if row.HasField("level") else "",
        "true" if row.by_hand else "",
        row.partner_id,
        time_text(row.protected_until) if row.HasField("protected_until") else "",
        row.version or "",
    )
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
