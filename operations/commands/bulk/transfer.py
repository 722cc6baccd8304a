"""Import and export: between a file and MemberBulk, with bounded memory."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO, TypeVar

import grpc

from levelgate.member.v1.member_bulk_pb2 import (
    ExportUsersRequest,
    ImportUsersRequest,
    ImportUsersResponse,
    UserRow,
)
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from operations.commands.bulk.rows import (
    Line,
    WrongLineError,
    parser,
    read_lines,
    write_header,
    write_rows,
)

# The lines of one call; a reply explains at most this many rejects.
_LINES_PER_CALL = 20_000
_CHARACTERS_PER_CALL = 16 * 1_048_576
_ROWS_PER_MESSAGE = 500
_BYTES_PER_MESSAGE = 524_288
_PROGRESS_SECONDS = 5.0

T = TypeVar("T")


class Progress:
    """A line on standard error every few seconds."""

    def __init__(self) -> None:
        self._shown = time.monotonic()

    def show(self, text: str) -> None:
        if time.monotonic() >= self._shown + _PROGRESS_SECONDS:
            sys.stderr.write(text + "\n")
            self._shown = time.monotonic()


def import_rows(
    stub: MemberBulkStub, file: TextIO, format_: str, rejects_path: Path
) -> ImportUsersResponse:
    """Returns the sums of all calls. Raises grpc.RpcError, FileError. It can be repeated."""
    total, progress = ImportUsersResponse(), Progress()
    rejects_path.unlink(missing_ok=True)
    lines = read_lines(file)
    parse = parser(format_, lines)
    for batch in _groups(lines, lambda line: len(line.text), _LINES_PER_CALL, _CHARACTERS_PER_CALL):
        rows: dict[Line, UserRow] = {}
        rejects: dict[Line, str] = {}
        for line in batch:
            try:
                rows[line] = parse(line.text)
            except WrongLineError as error:
                rejects[line] = str(error)
        # Called even if there are no rows: it refuses an import while there are no rules.
        reply = stub.ImportUsers(_messages(rows.values()))
        of_row = list(rows)
        for reject in reply.rejects:
            line = of_row[reject.position - 1]
            rejects[line] = f"{reject.field}: {reject.description}"
        _append_rejects(rejects_path, rejects)
        total.written += reply.written
        total.unchanged += reply.unchanged
        total.rejected += len(rejects)
        progress.show(f"{total.written + total.unchanged + total.rejected:,} rows")
    return total


def _groups(
    items: Iterable[T], size_of: Callable[[T], int], most: int, largest: int
) -> Iterator[list[T]]:
    """Groups of at most `most` items, whose sizes together are at most `largest`."""
    group: list[T] = []
    size = 0
    for item in items:
        if group and (len(group) == most or size + size_of(item) > largest):
            yield group
            group, size = [], 0
        group.append(item)
        size += size_of(item)
    if group:
        yield group


def _messages(rows: Iterable[UserRow]) -> Iterator[ImportUsersRequest]:
    """In messages that the service accepts."""
    for users in _groups(rows, UserRow.ByteSize, _ROWS_PER_MESSAGE, _BYTES_PER_MESSAGE):
        yield ImportUsersRequest(users=users)


def _append_rejects(path: Path, rejects: dict[Line, str]) -> None:
    if not rejects:
        return
    # What is not UTF-8 in the file becomes an escape such as \udcff, which JSON allows.
    with path.open("a", encoding="utf-8", errors="backslashreplace") as out:
        for line, reason in sorted(rejects.items()):
            fields = {"line": line.number, "reason": reason, "text": line.text}
            out.write(json.dumps(fields, ensure_ascii=False) + "\n")


def export_rows(stub: MemberBulkStub, file: TextIO, format_: str, *, with_history: bool) -> int:
    """Returns how many members were written. Raises grpc.RpcError."""
    write_header(format_, file)
    count, cursor, progress = 0, "", Progress()
    while True:
        request = ExportUsersRequest(with_history=with_history, cursor=cursor)
        try:
            for message in stub.ExportUsers(request):
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
