"""How far an import or export came, in a file beside it, so that a broken one goes on there."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

_FIRST_BYTES = 65_536


class OtherFileError(Exception):
    """The progress belongs to a file that was another one."""


@dataclass(frozen=True)
class Progress:
    """What is done and need not be done again."""

    of: str
    """What the progress is of: fingerprint() of the file, or the options of an export."""
    offset: int = 0
    """Bytes of the file that are dealt with."""
    line: int = 0
    """Lines that are dealt with."""
    written: int = 0
    unchanged: int = 0
    rejected: int = 0
    rejects_bytes: int = 0
    """Length of the rejects file: what is behind it was written before a crash."""
    cursor: str = ""
    """Where an export goes on."""

    @classmethod
    def read(cls, path: Path, of: str) -> Self:
        """The progress noted in the file; none if it is not there.

        Raises OtherFileError if it is of something else.
        """
        try:
            fields = json.loads(path.read_text())
        except FileNotFoundError:
            return cls(of)
        except ValueError:
            raise OtherFileError from None
        if not isinstance(fields, dict) or fields.get("of") != of:
            raise OtherFileError
        return cls(**fields)

    def write(self, path: Path) -> None:
        """Replaces the file as a whole, so that a crash leaves the old one or the new one."""
        part = path.with_name(path.name + ".part")
        with part.open("w") as out:
            json.dump(asdict(self), out)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)


def fingerprint(path: Path) -> str:
    """Tells a file from another one, and from itself after a change."""
    status = path.stat()
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_FIRST_BYTES)).hexdigest()[:16]
    return f"{status.st_size}-{status.st_mtime_ns}-{digest}"
