"""How far an import or export came, so that a broken one goes on there. Pure."""

import json
from dataclasses import asdict, dataclass
from typing import Self


class OtherFileError(Exception):
    """The progress belongs to a file that was another one."""


@dataclass(frozen=True)
class Progress:
    """What is done and need not be done again."""

    of: str
    """What the progress is of: the fingerprint of the file, or the options of an export."""
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
    def parsed(cls, text: str, of: str) -> Self:
        """Raises OtherFileError if it is of something else, or is none."""
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            raise OtherFileError from None
        wanted = asdict(cls(of))
        if not isinstance(fields, dict) or fields.keys() != wanted.keys() or fields["of"] != of:
            raise OtherFileError
        for name, value in fields.items():
            if type(value) is not type(wanted[name]) or (isinstance(value, int) and value < 0):
                raise OtherFileError
        return cls(**fields)

    def as_json(self) -> str:
        return json.dumps(asdict(self)) + "\n"
