"""Rows of NDJSON and CSV files: from text to UserRow and back."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

from google.protobuf import json_format

from levelgate.member.v1.member_bulk_pb2 import UserRow

COLUMNS = ("user_id", "points", "level", "by_hand", "partner_id", "protected_until", "version")
REQUIRED = {"user_id", "points"}
NUMBERS = {"points", "level", "version"}
FLAGS = {"true": True, "1": True, "false": False, "0": False}

LONGEST_LINE = 1_048_576
# MemberBulk accepts messages of 1 MiB.
LARGEST_ROW = 900_000
# protobuf's reasons quote the value, which may be long.
LONGEST_REASON = 300

_WHOLE_NUMBER = re.compile(r"-?[0-9]+")
# Limits how much text an unclosed quote can take.
csv.field_size_limit(LONGEST_LINE)


class FileError(Exception):
    """The file cannot be read any further; the text says why."""


class WrongLineError(Exception):
    """The line is not a row; the text says why."""


class Line(NamedTuple):
    """A line of the file, or a CSV record of several lines."""

    number: int
    """Counted from 1; for a record, that of its first line."""
    text: str
    fields: Any
    """What the format's `parse` takes."""


class Format(NamedTuple):
    """How to read and write rows."""

    lines: Callable[[TextIO], Iterator[Line]]
    parse: Callable[[Any], UserRow]
    """Raises WrongLineError."""
    write: Callable[[TextIO, Sequence[UserRow]], None]
    header: str


def _json_lines(file: TextIO) -> Iterator[Line]:
    for number, text in enumerate(_limited_lines(file), start=1):
        if text.strip():
            yield Line(number, text, text)


def _csv_lines(file: TextIO) -> Iterator[Line]:
    """The first line names the columns. Raises FileError."""
    record: list[str] = []
    reader = csv.reader(_remembered(_limited_lines(file), record))
    try:
        columns = next(reader, [])
        if not REQUIRED <= set(columns) <= set(COLUMNS) or len(set(columns)) != len(columns):
            raise FileError(
                f"the first line must name columns out of {', '.join(COLUMNS)}, each once, with"
                f" user_id and points; it is: {''.join(record).strip()[:200]!r}"
            )
        while True:
            record.clear()
            number = reader.line_num + 1
            cells = next(reader, None)
            if cells is None:
                return
            if cells:
                yield Line(number, "".join(record), (columns, cells))
    except csv.Error as error:
        raise FileError(f"line {reader.line_num}: {error}") from error


def _limited_lines(file: TextIO) -> Iterator[str]:
    """A line that is too long is cut, and is then refused as a row."""
    while line := file.readline(LONGEST_LINE):
        rest = line
        while len(rest) == LONGEST_LINE and not rest.endswith("\n"):
            rest = file.readline(LONGEST_LINE)
        yield line


def _remembered(lines: Iterable[str], record: list[str]) -> Iterator[str]:
    for line in lines:
        record.append(line)
        yield line


def _parse_json(text: str) -> UserRow:
    def parse() -> UserRow:
        fields = json.loads(text.rstrip(), object_pairs_hook=_each_field_once)
        if not isinstance(fields, dict):
            raise WrongLineError("must be a JSON object")
        return json_format.ParseDict(fields, UserRow())

    return _row(parse)


def _each_field_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # user_id and userId are the same field.
    if len({name.replace("_", "").lower() for name, _ in pairs}) != len(pairs):
        raise WrongLineError("must name each field once")
    return dict(pairs)


def _parse_csv(fields: tuple[Sequence[str], Sequence[str]]) -> UserRow:
    columns, cells = fields
    if len(cells) != len(columns):
        raise WrongLineError(f"must have {len(columns)} cells; got {len(cells)}")
    given: dict[str, Any] = {
        column: cell for column, cell in zip(columns, cells, strict=True) if cell
    }
    for column in NUMBERS & given.keys():
        # int() would accept underscores and the digits of other scripts.
        if not _WHOLE_NUMBER.fullmatch(given[column]):
            raise WrongLineError(f"{column}: must be a whole number; got {given[column][:40]!r}")
    if "by_hand" in given:
        # Other texts are refused by protobuf.
        given["by_hand"] = FLAGS.get(given["by_hand"].lower(), given["by_hand"])
    return _row(lambda: json_format.ParseDict(given, UserRow()))


def _row(parse: Callable[[], UserRow]) -> UserRow:
    try:
        row = parse()
    except UnicodeEncodeError as error:
        raise WrongLineError("must be valid UTF-8") from error
    except json.JSONDecodeError as error:
        raise WrongLineError(f"must be JSON: {error.msg} at column {error.colno}") from error
    except (json_format.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise WrongLineError(str(error).partition("\n")[0][:LONGEST_REASON]) from error
    if row.ByteSize() > LARGEST_ROW:
        raise WrongLineError(f"must be at most {LARGEST_ROW} bytes as a message")
    return row


def _write_json(file: TextIO, rows: Sequence[UserRow]) -> None:
    for row in rows:
        fields = json_format.MessageToDict(row)
        file.write(json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n")


def _write_csv(file: TextIO, rows: Sequence[UserRow]) -> None:
    writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
    for row in rows:
        fields = json_format.MessageToDict(row, preserving_proto_field_name=True)
        if row.by_hand:
            fields["by_hand"] = "true"
        writer.writerow(fields)


FORMATS: Mapping[str, Format] = {
    "ndjson": Format(_json_lines, _parse_json, _write_json, header=""),
    "csv": Format(_csv_lines, _parse_csv, _write_csv, header=",".join(COLUMNS) + "\n"),
}
