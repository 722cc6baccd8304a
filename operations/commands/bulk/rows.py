"""Rows of NDJSON and CSV files, which have one member per line: from text to UserRow and back."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TextIO

from google.protobuf import json_format

from levelgate.member.v1.member_bulk_pb2 import UserRow

COLUMNS = ("user_id", "points", "level", "by_hand", "partner_id", "protected_until", "version")
REQUIRED = {"user_id", "points"}
NUMBERS = {"points", "level", "version"}
FLAGS = {"true": True, "1": True, "false": False, "0": False}
FORMATS = ("ndjson", "csv")

# In characters. The row then fits into a message of 1 MiB, which is what MemberBulk accepts.
LONGEST_LINE = 250_000
# protobuf's reasons quote the value, which may be long.
LONGEST_REASON = 300

_WHOLE_NUMBER = re.compile(r"-?[0-9]+")


class FileError(Exception):
    """The file cannot be imported; the text says why."""


class WrongLineError(Exception):
    """The line is not a row; the text says why."""


class Line(NamedTuple):
    """A line of the file that is not empty."""

    number: int
    """Counted from 1."""
    text: str


def read_lines(file: TextIO) -> Iterator[Line]:
    """The first characters of a line that is too long have one too many, so `parse` refuses it."""
    number = 0
    while text := file.readline(LONGEST_LINE + 1):
        number += 1
        rest = text
        while len(rest) > LONGEST_LINE and not rest.endswith("\n"):
            rest = file.readline(LONGEST_LINE + 1)
        if text.strip():
            yield Line(number, text.rstrip("\r\n"))


def parser(format_: str, lines: Iterator[Line]) -> Callable[[str], UserRow]:
    """The function that turns a line into a row and raises WrongLineError if it is not one.

    For CSV it takes the first line, which names the columns, from `lines`. Raises FileError.
    """
    if format_ == "ndjson":
        return _parse_json
    header = next(lines, Line(1, "")).text
    try:
        columns = next(csv.reader([header]))
    except csv.Error:
        columns = []
    if not REQUIRED <= set(columns) <= set(COLUMNS) or len(set(columns)) != len(columns):
        raise FileError(
            f"the first line must name columns out of {', '.join(COLUMNS)}, each once, with"
            f" user_id and points; it is: {header[:200]!r}"
        )
    return lambda text: _parse_csv(columns, text)


def _parse_json(text: str) -> UserRow:
    _check_length(text)
    try:
        return json_format.Parse(text, UserRow())
    except json_format.Error as error:
        raise WrongLineError(_reason(error)) from error


def _parse_csv(columns: Sequence[str], text: str) -> UserRow:
    _check_length(text)
    try:
        cells = next(csv.reader([text], strict=True))
    except csv.Error as error:
        # Advice for programmers follows the reason.
        reason = str(error).partition(" - ")[0]
        raise WrongLineError(f"must be one record of CSV: {reason}") from error
    if len(cells) != len(columns):
        raise WrongLineError(f"must have {len(columns)} cells; got {len(cells)}")
    given = {column: cell for column, cell in zip(columns, cells, strict=True) if cell}
    for column in NUMBERS & given.keys():
        # int() would accept underscores and the digits of other scripts.
        if not _WHOLE_NUMBER.fullmatch(given[column]):
            raise WrongLineError(f"{column}: must be a whole number; got {given[column][:40]!r}")
    # Other texts than those of FLAGS are refused by protobuf.
    flags = {"by_hand": FLAGS.get(given["by_hand"].lower(), "")} if "by_hand" in given else {}
    try:
        return json_format.ParseDict(given | flags, UserRow())
    except (json_format.Error, ValueError) as error:
        raise WrongLineError(_reason(error)) from error


def _check_length(text: str) -> None:
    if len(text) > LONGEST_LINE:
        raise WrongLineError(f"must be at most {LONGEST_LINE} characters long")


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0][:LONGEST_REASON]


def write_header(format_: str, file: TextIO) -> None:
    if format_ == "csv":
        file.write(",".join(COLUMNS) + "\n")


def write_rows(format_: str, file: TextIO, rows: Iterable[UserRow]) -> None:
    if format_ == "ndjson":
        for row in rows:
            line = json_format.MessageToJson(row, indent=None, ensure_ascii=False)
            file.write(f"{line}\n")
        return
    writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
    for row in rows:
        fields = json_format.MessageToDict(row, preserving_proto_field_name=True)
        writer.writerow(fields | ({"by_hand": "true"} if row.by_hand else {}))
