"""The files beside the members' file: the progress, and the rejects. A crash leaves them whole."""

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from operations.commands.bulk.chunks import Reject
from operations.commands.bulk.progress import OtherFileError, Progress

_FIRST_BYTES = 65_536


def beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def read_progress(path: Path, of: str) -> Progress:
    """The progress noted in the file; none if it is not there.

    Raises OtherFileError if it is of something else.
    """
    try:
        return Progress.parsed(path.read_text(errors="replace"), of)
    except FileNotFoundError:
        return Progress(of)


def write_progress(path: Path, progress: Progress) -> None:
    """Replaces the file as a whole, so that a crash leaves the old one or the new one."""
    part = beside(path, ".part")
    with part.open("w") as out:
        out.write(progress.as_json())
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)


def is_regular(path: Path) -> bool:
    """A pipe cannot be read twice, and reading it for its fingerprint would take its beginning."""
    return stat.S_ISREG(path.stat().st_mode)


def fingerprint(path: Path) -> str:
    """Tells a file from another one, and from itself after a change."""
    status = path.stat()
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_FIRST_BYTES)).hexdigest()[:16]
    return f"{status.st_size}-{status.st_mtime_ns}-{digest}"


def cut_rejects(path: Path, length: int) -> None:
    """Takes off what a broken run wrote after its last confirmed chunk.

    Raises OtherFileError if there is less than was noted: nobody knows those rejects any more.
    """
    if not length:
        path.unlink(missing_ok=True)
        return
    if not path.exists() or path.stat().st_size < length:
        raise OtherFileError
    os.truncate(path, length)


def append_rejects(path: Path, rejects: Sequence[Reject]) -> int:
    """On the disk before the progress that counts them; returns their length."""
    if not rejects:
        return 0
    data = "".join(reject.as_json() for reject in rejects).encode()
    with path.open("ab") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    return len(data)
