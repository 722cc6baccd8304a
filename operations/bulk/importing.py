"""The import of a file: in chunks, each confirmed before it is noted as done."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import grpc

from levelgate.member.v1.member_bulk_pb2 import ImportUsersRequest, ImportUsersResponse, UserRow
from operations.bulk.lines import LONGEST_LINE, Line, lines
from operations.bulk.meter import Meter
from operations.bulk.progress import Progress
from operations.bulk.rows import Reader, Reject, WrongLineError
from operations.bulk.service import Bulk

# One stream, and what is repeated at most after a break. Its rejects fit one reply.
LINES_PER_CHUNK = 20_000
_ROWS_PER_MESSAGE = 500
_BYTES_PER_MESSAGE = 524_288
_LARGEST_ROW = 900_000
_RETRY_CODES = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
_LONGEST_PAUSE = 5.0


@dataclass
class Chunk:
    """Some lines of the file: the rows in them, and those that are none."""

    rows: list[UserRow] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    """The line of each row."""
    rejects: list[Reject] = field(default_factory=list)
    end: Line | None = None


def read_chunk(source: Iterator[Line], read: Reader) -> Chunk:
    chunk = Chunk()
    for line in islice(source, LINES_PER_CHUNK):
        chunk.end = line
        try:
            row = _row(line, read)
        except WrongLineError as error:
            chunk.rejects.append(Reject(line.number, str(error), line.data))
        else:
            chunk.rows.append(row)
            chunk.lines.append(line)
    return chunk


def _row(line: Line, read: Reader) -> UserRow:
    if line.is_too_long:
        raise WrongLineError(f"must have at most {LONGEST_LINE} bytes")
    try:
        text = line.data.decode()
    except UnicodeDecodeError as error:
        raise WrongLineError("must be UTF-8") from error
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
            yield ImportUsersRequest(users=rows[start:position])
            start, size = position, 0
        size += length
    if start < len(rows):
        yield ImportUsersRequest(users=rows[start:])


@dataclass
class Import:
    """One file on its way into the service. Raises grpc.RpcError where that gives up."""

    bulk: Bulk
    read: Reader
    rejects_path: Path
    progress_path: Path | None
    """None: what comes from standard input cannot be resumed."""
    retry_seconds: float
    meter: Meter

    def run(self, file: BinaryIO, progress: Progress) -> Progress:
        source = lines(file, progress.offset, progress.line)
        self._cut_rejects(progress.rejects_bytes)
        # While the service writes a chunk, the next one is read.
        with ThreadPoolExecutor(1, "send") as sender:
            chunk = read_chunk(source, self.read)
            while chunk.end is not None:
                sending = sender.submit(self._send, chunk.rows)
                following = read_chunk(source, self.read)
                progress = self._noted(progress, chunk, sending.result())
                chunk = following
        return progress

    def _send(self, rows: Sequence[UserRow]) -> ImportUsersResponse:
        until = time.monotonic() + self.retry_seconds
        pause = 0.2
        while True:
            try:
                if not rows:
                    return ImportUsersResponse()
                return self.bulk.stub.ImportUsers(messages(rows), metadata=self.bulk.metadata)
            except grpc.RpcError as error:
                # Repeating a chunk is harmless: who already is as given is left alone.
                if error.code() not in _RETRY_CODES or time.monotonic() + pause > until:
                    raise
                self.meter.say(f"{error.code().name}; trying again in {pause:.1f} s")
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _noted(self, progress: Progress, chunk: Chunk, reply: ImportUsersResponse) -> Progress:
        refused = [
            Reject(line.number, f"{reject.field}: {reject.description}", line.data)
            for reject in reply.rejects
            for line in (chunk.lines[reject.position - 1],)
        ]
        rejects = sorted([*chunk.rejects, *refused], key=lambda reject: reject.line)
        end = chunk.end
        if end is None:
            return progress
        progress = replace(
            progress,
            offset=end.offset,
            line=end.number,
            written=progress.written + reply.written,
            unchanged=progress.unchanged + reply.unchanged,
            rejected=progress.rejected + len(rejects),
            rejects_bytes=progress.rejects_bytes + self._append(rejects),
        )
        if self.progress_path is not None:
            progress.write(self.progress_path)
        self.meter.reach(progress.offset, progress.written + progress.unchanged)
        return progress

    def _append(self, rejects: Sequence[Reject]) -> int:
        if not rejects:
            return 0
        data = "".join(reject.as_json() for reject in rejects).encode()
        with self.rejects_path.open("ab") as out:
            out.write(data)
        return len(data)

    def _cut_rejects(self, length: int) -> None:
        """Takes off what a broken run wrote after its last confirmed chunk."""
        if length:
            with self.rejects_path.open("r+b") as file:
                file.truncate(length)
        else:
            self.rejects_path.unlink(missing_ok=True)
