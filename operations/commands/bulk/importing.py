"""The import of a file: in chunks, each confirmed before it is noted as done."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import grpc

from levelgate.member.v1.member_bulk_pb2 import ImportUsersResponse, UserRow
from operations.commands.bulk.chunks import Chunk, messages, read_chunk
from operations.commands.bulk.lines import Lines
from operations.commands.bulk.meter import Meter
from operations.commands.bulk.progress import Progress
from operations.commands.bulk.retrying import Patience
from operations.commands.bulk.rows import Reader
from operations.commands.bulk.service import Bulk
from operations.commands.bulk.storing import append_rejects, cut_rejects, write_progress


@dataclass
class Import:
    """One file on its way into the service. Raises grpc.RpcError where that gives up."""

    bulk: Bulk
    lines: Lines
    read: Reader
    rejects_path: Path
    progress_path: Path | None
    """None: what comes from standard input cannot be resumed."""
    retry_seconds: float
    meter: Meter
    _stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, file: BinaryIO, progress: Progress) -> Progress:
        """Raises OtherFileError where the rejects file is not what the progress says."""
        source = self.lines(file, progress.offset, progress.line)
        cut_rejects(self.rejects_path, progress.rejects_bytes)
        # While the service writes a chunk, the next one is read.
        with ThreadPoolExecutor(1, "send") as sender:
            try:
                chunk = read_chunk(source, self.read)
                while chunk.end is not None:
                    sending = sender.submit(self._send, chunk.rows)
                    following = read_chunk(source, self.read)
                    progress = self._noted(progress, chunk, sending.result())
                    chunk = following
            finally:
                # Ctrl-C must not wait for a service that is away.
                self._stopped.set()
        return progress

    def _send(self, rows: Sequence[UserRow]) -> ImportUsersResponse:
        patience = Patience(self.retry_seconds, self.meter.say, self._stopped)
        while rows:
            try:
                return self.bulk.stub.ImportUsers(messages(rows), metadata=self.bulk.metadata())
            except grpc.RpcError as error:
                # Repeating a chunk is harmless: who already is as given is left alone.
                patience.wait_or_raise(error)
        return ImportUsersResponse()

    def _noted(self, progress: Progress, chunk: Chunk, reply: ImportUsersResponse) -> Progress:
        rejects = chunk.all_rejects(reply)
        end = chunk.end
        if end is None:
            return progress
        progress = replace(
            progress,
            offset=end.offset,
            line=end.last,
            written=progress.written + reply.written,
            unchanged=progress.unchanged + reply.unchanged,
            rejected=progress.rejected + len(rejects),
            rejects_bytes=progress.rejects_bytes + append_rejects(self.rejects_path, rejects),
        )
        if self.progress_path is not None:
            write_progress(self.progress_path, progress)
        self.meter.reach(progress.offset, progress.written + progress.unchanged + progress.rejected)
        return progress
