"""The export to a file, which appears under its name when it is complete."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import grpc

from levelgate.member.v1.member_bulk_pb2 import ExportUsersRequest, UserRow
from operations.bulk.meter import Meter
from operations.bulk.progress import Progress
from operations.bulk.service import Bulk

Writer = Callable[[UserRow], str]

# How often the place is noted; what is behind it is exported again after a break.
_NOTE_SECONDS = 1.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


@dataclass
class Export:
    """All members on their way out. Raises grpc.RpcError where the service gives up."""

    bulk: Bulk
    write: Writer
    header: str
    with_history: bool
    progress_path: Path | None
    retry_seconds: float
    meter: Meter

    def run(self, file: BinaryIO, progress: Progress) -> Progress:
        if progress.offset == 0:
            progress = replace(progress, offset=file.write(self.header.encode()))
        until, pause = time.monotonic() + self.retry_seconds, _SHORTEST_PAUSE
        while True:
            try:
                for reached in self._messages(file, progress):
                    progress = reached
                    until, pause = time.monotonic() + self.retry_seconds, _SHORTEST_PAUSE
            except grpc.RpcError as error:
                is_away = error.code() is grpc.StatusCode.UNAVAILABLE
                if not is_away or time.monotonic() + pause > until:
                    raise
                self.meter.say(f"UNAVAILABLE; trying again in {pause:.1f} s")
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return progress

    def _messages(self, file: BinaryIO, progress: Progress) -> Iterator[Progress]:
        request = ExportUsersRequest(with_history=self.with_history, cursor=progress.cursor)
        noted = time.monotonic()
        for message in self.bulk.stub.ExportUsers(request, metadata=self.bulk.metadata):
            data = "".join(map(self.write, message.users)).encode()
            file.write(data)
            progress = replace(
                progress,
                offset=progress.offset + len(data),
                written=progress.written + len(message.users),
                cursor=message.cursor,
            )
            if self.progress_path is not None and time.monotonic() - noted > _NOTE_SECONDS:
                file.flush()
                os.fsync(file.fileno())
                progress.write(self.progress_path)
                noted = time.monotonic()
            self.meter.reach(message.percent, progress.written)
            yield progress
