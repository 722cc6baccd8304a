"""A part of a file that is sent, confirmed and noted as one. Pure."""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from levelgate.member.v1.member_bulk_pb2 import ImportUsersRequest, ImportUsersResponse, UserRow
from operations.commands.bulk.lines import LONGEST_LINE, Line
from operations.commands.bulk.rows import Reader, WrongLineError

# One stream, and what is repeated at most after a break. Its rejects fit one reply.
LINES_PER_CHUNK = 20_000
# Long histories fill the memory before there are so many lines.
_BYTES_PER_CHUNK = 64 * 1_048_576
_ROWS_PER_MESSAGE = 500
_BYTES_PER_MESSAGE = 524_288
_LARGEST_ROW = 900_000


@dataclass(frozen=True)
class Reject:
    """A line that was left out, and why."""

    line: Line
    reason: str

    def as_json(self) -> str:
        """One line of the rejects file, with its end."""
        fields: dict[str, object] = {"line": self.line.number, "reason": self.reason}
        data = self.line.data.rstrip(b"\r\n")
        if self.line.left_out:
            # Only the beginning was held; this says where the file has all of it.
            fields |= {"offset": self.line.start, "bytes": self.line.offset - self.line.start}
            fields["text"] = data.decode(errors="replace")
        else:
            try:
                fields["text"] = data.decode()
            except UnicodeDecodeError:
                fields["base64"] = base64.b64encode(data).decode()
        return json.dumps(fields, ensure_ascii=False) + "\n"


@dataclass
class Chunk:
    """Some lines of the file: the rows in them, and those that are none."""

    rows: list[UserRow] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    """The line of each row."""
    rejects: list[Reject] = field(default_factory=list)
    end: Line | None = None

    def all_rejects(self, reply: ImportUsersResponse) -> list[Reject]:
        """Those refused here and those refused by the service, in the order of the file."""
        refused = [
            Reject(self.lines[reject.position - 1], f"{reject.field}: {reject.description}")
            for reject in reply.rejects
        ]
        return sorted([*self.rejects, *refused], key=lambda reject: reject.line.number)


def read_chunk(source: Iterator[Line], read: Reader) -> Chunk:
    """The next lines; `end` is None where there are no more."""
    chunk = Chunk()
    size = 0
    for line in source:
        chunk.end = line
        size += len(line.data)
        try:
            row = _row(line, read)
        except WrongLineError as error:
            chunk.rejects.append(Reject(line, str(error)))
        else:
            chunk.rows.append(row)
            chunk.lines.append(line)
        if len(chunk.rows) + len(chunk.rejects) == LINES_PER_CHUNK or size >= _BYTES_PER_CHUNK:
            break
    return chunk


def _row(line: Line, read: Reader) -> UserRow:
    if line.left_out:
        raise WrongLineError(f"must have at most {LONGEST_LINE} bytes")
    try:
        text = line.data.decode()
    except UnicodeDecodeError as error:
        raise WrongLineError(f"must be UTF-8; byte {error.start + 1} is not") from error
    row = read(text.rstrip("\r\n"))
    if len(line.data) > _LARGEST_ROW // 4 and row.ByteSize() > _LARGEST_ROW:
        raise WrongLineError(f"must be at most {_LARGEST_ROW} bytes as a message")
    return row


def messages(rows: Sequence[UserRow]) -> Iterator[ImportUsersRequest]:
    """The rows in messages that the service takes."""
    start = size = 0
    for position, row in enumerate(rows):
        length = row.ByteSize()
        if position - start == _ROWS_PER_MESSAGE or size + length > _BYTES_PER_MESSAGE:
            # A first row that is larger than that is a message of its own.
            if position > start:
                yield ImportUsersRequest(users=rows[start:position])
            start, size = position, 0
        size += length
    if start < len(rows):
        yield ImportUsersRequest(users=rows[start:])
