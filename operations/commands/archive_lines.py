"""The lines of an archive: a header, one entry for each key, and the number of entries."""

import base64
import json
import math
import struct
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, TextIO, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from services.store import layout
from services.store.keys import Buckets, UserKey
from services.store.store import Value
from services.user_state.record import MAX_VERSION, UnknownFormatError, unpack

FORMAT = 1


class ArchiveError(Exception):
    """The archive cannot be read; the text says why."""


def _decoded(text: object) -> object:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else text
    except ValueError as error:
        raise ValueError("must be base64") from error


def _is_number(text: bytes) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


def _is_record(packed: bytes) -> bool:
    try:
        unpack(packed)
    except (UnknownFormatError, struct.error, ValueError, LookupError):
        return False
    return True


class Header(BaseModel):
    model_config = ConfigDict(strict=True)

    format: int
    version: int = Field(ge=0, le=MAX_VERSION)


class Entry(BaseModel):
    """A key with its value."""

    model_config = ConfigDict(strict=True)

    key: str | None = None
    # A user's key has these three instead, because its bucket depends on the number of buckets.
    kind: str | None = None
    rest: str | None = None
    user: str | None = None
    type: Literal["string", "hash", "set", "zset"]
    ms: int = Field(ge=-1, le=MAX_VERSION)
    values: list[Annotated[bytes, BeforeValidator(_decoded)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_whole(self) -> "Entry":
        given = 3 - (self.kind, self.rest, self.user).count(None)
        if given != (3 if self.key is None else 0):
            raise ValueError("must have either key or all of kind, rest and user")
        if self.type in ("hash", "zset") and len(self.values) % 2:
            raise ValueError(f"values of a {self.type} must be pairs")
        if self.type == "zset" and not all(map(_is_number, self.values[1::2])):
            raise ValueError("scores of a zset must be numbers")
        if self.kind == "user" and not _is_record(self.values[0]):
            raise ValueError("values of a user must be a record")
        return self

    def call(self, buckets: Buckets) -> tuple[list[str], list[Value]]:
        """The keys and arguments of the script that writes it."""
        name = self.key
        if name is None:
            name = UserKey(self.kind or "", self.rest or "", self.user or "").under(buckets)
        return [name], [self.type, self.ms, *self.values]


class _End(BaseModel):
    model_config = ConfigDict(strict=True)

    end: int


_Line = TypeVar("_Line", bound=BaseModel)


def read_header(lines: TextIO) -> Header:
    """Raises ArchiveError."""
    text = next(lines, "")
    try:
        is_archive = json.loads(text)["levelgate_archive"] == FORMAT
    except (ValueError, KeyError, TypeError, RecursionError):
        is_archive = False
    if not is_archive:
        raise ArchiveError(f"this is not an archive of levelgate in format {FORMAT}")
    header = _parsed(Header, 1, text)
    if header.format > layout.FORMAT:
        raise ArchiveError(f"its records have format {header.format}: use a newer release")
    return header


def read_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """The entries after the header. Raises ArchiveError, at the end if some are missing."""
    count = 0
    for number, text in enumerate(lines, 2):
        if text.startswith('{"end"'):
            if _parsed(_End, number, text).end == count:
                return
            break
        yield _parsed(Entry, number, text)
        count += 1
    raise ArchiveError(f"the archive is incomplete: it ends after {count} keys")


def _parsed(model: type[_Line], number: int, text: str) -> _Line:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    # The parser's own reason would name a line of its own.
    if first["type"] in ("json_invalid", "string_unicode"):
        raise ArchiveError(f"line {number}: must be one JSON object, in UTF-8")
    field = "".join(f"{part}: " for part in first["loc"][:1])
    reason = first["msg"].removeprefix("Value error, ")
    raise ArchiveError(f"line {number}: {field}{reason}")
