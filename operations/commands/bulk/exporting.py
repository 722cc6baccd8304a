"""The export to a file, which appears under its name when it is complete."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import grpc

from levelgate.member.v1.member_bulk_pb2 import ExportUsersRequest
from operations.commands.bulk.meter import Meter
from operations.commands.bulk.progress import Progress
from operations.commands.bulk.retrying import Patience
from operations.commands.bulk.rows import Writer
from operations.commands.bulk.service import Bulk
from operations.commands.bulk.storing import write_progress

# A note waits for the disk twice, which is too much for each message.
_ROWS_PER_NOTE = 20_000


@dataclass
class Export:
    """All members on their way out. Raises grpc.RpcError where the service gives up."""

    bulk: Bulk
    write: Writer
    header: str
    with_history: bool
    progress_path: Path | None
    """None: what went to standard output cannot be resumed."""
    retry_seconds: float
    meter: Meter

    def run(self, file: BinaryIO, progress: Progress) -> Progress:
        if progress.offset == 0:
            progress = replace(progress, offset=file.write(self.header.encode()))
        patience = Patience(self.retry_seconds, self.meter.say)
        while True:
            try:
                for reached in self._messages(file, progress):
                    progress = reached
                    patience.renew()
            except grpc.RpcError as error:
                # What was dealt with is in the cursor, so nothing comes twice.
                patience.wait_or_raise(error)
            else:
                return progress

    def _messages(self, file: BinaryIO, progress: Progress) -> Iterator[Progress]:
        noted = progress.written
        request = ExportUsersRequest(with_history=self.with_history, cursor=progress.cursor)
        for message in self.bulk.stub.ExportUsers(request, metadata=self.bulk.metadata()):
            data = "".join(map(self.write, message.users)).encode()
            file.write(data)
            progress = replace(
                progress,
                offset=progress.offset + len(data),
                written=progress.written + len(message.users),
                cursor=message.cursor,
            )
            if self.progress_path is not None and progress.written - noted >= _ROWS_PER_NOTE:
                # The rows are on the disk before the progress that counts them.
                file.flush()
                os.fsync(file.fileno())
                write_progress(self.progress_path, progress)
                noted = progress.written
            self.meter.reach(message.percent, progress.written)
            yield progress
