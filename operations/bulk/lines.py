"""The lines of a file with the place behind each, however long or broken they are."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

LONGEST_LINE = 1_048_576


class Line(NamedTuple):
    """A line with its end; of one that is too long only the beginning."""

    number: int
    data: bytes
    offset: int
    """Where the next line begins."""
    is_too_long: bool = False


def lines(file: BinaryIO, offset: int = 0, number: int = 0) -> Iterator[Line]:
    """The lines behind so many bytes and lines; empty ones are left out."""
    while data := file.readline(LONGEST_LINE + 1):
        number += 1
        offset += len(data)
        if len(data) <= LONGEST_LINE or data.endswith(b"\n"):
            if data.strip():
                yield Line(number, data, offset)
            continue
        beginning = data[:200]
        while data and not data.endswith(b"\n"):
            data = file.readline(LONGEST_LINE)
            offset += len(data)
        yield Line(number, beginning, offset, is_too_long=True)
