"""Import and export: between a file and MemberBulk, with bounded memory."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import grpc

from levelgate.member.v1.member_bulk_pb2 import (
    ExportUsersRequest,
    ImportUsersRequest,
    ImportUsersResponse,
    UserRow,
)
from operations.commands.bulk.rows import (
    Line,
    WrongLineError,
    parser,
    read_lines,
    write_header,
    write_rows,
)
from operations.commands.bulk.service import Bulk

# The lines of one call; a reply explains at most this many rejects.
_LINES_PER_CALL = 20_000
_CHARACTERS_PER_CALL = 16 * 1_048_576
_ROWS_PER_MESSAGE = 500
_BYTES_PER_MESSAGE = 524_288
_PROGRESS_SECONDS = 5.0


@dataclass
class Progress:
    """A line on standard error every few seconds."""

    shown: float = field(default_factory=time.monotonic)

    def show(self, text: str) -> None:
        if time.monotonic() >= self.shown + _PROGRESS_SECONDS:
            sys.stderr.write(text + "\n")
            self.shown = time.monotonic()


def import_rows(bulk: Bulk, file: TextIO, format_: str, rejects_path: Path) -> ImportUsersResponse:
    """Returns the sums of all calls. Raises grpc.RpcError, FileError. It can be repeated."""
    total, progress = ImportUsersResponse(), Progress()
    rejects_path.unlink(missing_ok=True)
    lines = read_lines(file)
    parse = parser(format_, lines)
    for batch in _batches(lines):
        rows: list[UserRow] = []
        of_row: list[Line] = []
        rejects: list[tuple[Line, str]] = []
        for line in batch:
            try:
                rows.append(parse(line.text))
            except WrongLineError as error:
                rejects.append((line, str(error)))
            else:
                of_row.append(line)
        reply = ImportUsersResponse()
        if rows:
            reply = bulk.stub.ImportUsers(_messages(rows), metadata=bulk.metadata())
        for reject in reply.rejects:
            reason = f"{reject.field}: {reject.description}"
            rejects.append((of_row[reject.position - 1], reason))
        _append_rejects(rejects_path, rejects)
        total.written += reply.written
        total.unchanged += reply.unchanged
        total.rejected += len(rejects)
        progress.show(f"{total.written + total.unchanged + total.rejected:,} rows")
    return total


def _batches(lines: Iterator[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line.text)
        if len(batch) == _LINES_PER_CALL or size >= _CHARACTERS_PER_CALL:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _messages(rows: Sequence[UserRow]) -> Iterator[ImportUsersRequest]:
    """In messages that the service accepts."""
    message, size = ImportUsersRequest(), 0
    for row in rows:
        length = row.ByteSize()
        is_full = len(message.users) == _ROWS_PER_MESSAGE or size + length > _BYTES_PER_MESSAGE
        if message.users and is_full:
            yield message
            message, size = ImportUsersRequest(), 0
        message.users.append(row)
        size += length
    yield message


def _append_rejects(path: Path, rejects: list[tuple[Line, str]]) -> None:
    if not rejects:
        return
    # What is not UTF-8 in the file becomes an escape such as \udcff, which JSON allows.
    with path.open("a", encoding="utf-8", errors="backslashreplace") as out:
        for line, reason in sorted(rejects):
            fields = {"line": line.number, "reason": reason, "text": line.text}
            out.write(json.dumps(fields, ensure_ascii=False) + "\n")


def export_rows(bulk: Bulk, file: TextIO, format_: str, *, with_history: bool) -> int:
    """Returns how many members were written. Raises grpc.RpcError."""
    write_header(format_, file)
    count, cursor, progress = 0, "", Progress()
    while True:
        request = ExportUsersRequest(with_history=with_history, cursor=cursor)
        try:
            for message in bulk.stub.ExportUsers(request, metadata=bulk.metadata()):
                write_rows(format_, file, message.users)
                count += len(message.users)
                cursor = message.cursor
                progress.show(f"{message.percent} %, {count:,} members")
        except grpc.RpcError as error:
            # An instance stopped, or the connection reached its maximum age: continue after the
            # last message, with another instance. gRPC itself repeats only unanswered calls.
            if error.code() is not grpc.StatusCode.UNAVAILABLE or cursor == request.cursor:
                raise
        else:
            return count
