"""Import and export: between a file and MemberBulk, with bounded memory."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import grpc

from levelgate.member.v1.member_bulk_pb2 import (
    ExportUsersRequest,
    ImportUsersRequest,
    ImportUsersResponse,
    UserRow,
)
from operations.commands.bulk.rows import Format, Line, WrongLineError
from operations.commands.bulk.service import Bulk

# The lines of one call; a reply explains at most this many rejects.
_LINES_PER_CHUNK = 20_000
_CHARACTERS_PER_CHUNK = 16 * 1_048_576
_ROWS_PER_MESSAGE = 500
_BYTES_PER_MESSAGE = 524_288
_PROGRESS_SECONDS = 5.0


@dataclass
class Counts:
    """What an import did so far."""

    written: int = 0
    unchanged: int = 0
    rejected: int = 0


class Progress:
    """A line on standard error every few seconds."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _PROGRESS_SECONDS

    def show(self, text: str) -> None:
        if time.monotonic() >= self._next:
            sys.stderr.write(text + "\n")
            self._next = time.monotonic() + _PROGRESS_SECONDS


def import_rows(bulk: Bulk, file: TextIO, format_: Format, rejects_path: Path) -> Counts:
    """Raises grpc.RpcError, FileError. Repeating an import is harmless."""
    counts, progress = Counts(), Progress()
    rejects_path.unlink(missing_ok=True)
    for chunk in _chunks(format_.lines(file)):
        rows: list[UserRow] = []
        of_row: list[Line] = []
        rejects: list[tuple[Line, str]] = []
        for line in chunk:
            try:
                rows.append(format_.parse(line.fields))
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
        counts.written += reply.written
        counts.unchanged += reply.unchanged
        counts.rejected += len(rejects)
        progress.show(f"{counts.written + counts.unchanged + counts.rejected:,} rows")
    return counts


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    size = 0
    for line in lines:
        chunk.append(line)
        size += len(line.text)
        if len(chunk) == _LINES_PER_CHUNK or size >= _CHARACTERS_PER_CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


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
        for line, reason in sorted(rejects, key=lambda reject: reject[0].number):
            fields = {"line": line.number, "reason": reason, "text": line.text.rstrip("\r\n")}
            out.write(json.dumps(fields, ensure_ascii=False) + "\n")


def export_rows(bulk: Bulk, file: TextIO, format_: Format, *, with_history: bool) -> int:
    """Returns how many members were written. Raises grpc.RpcError."""
    file.write(format_.header)
    count, cursor, progress = 0, "", Progress()
    while True:
        request = ExportUsersRequest(with_history=with_history, cursor=cursor)
        try:
            for message in bulk.stub.ExportUsers(request, metadata=bulk.metadata()):
                format_.write(file, message.users)
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
