"""The lines of a file with the place behind each, however long or broken they are."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from operations.commands.bulk.csv_rows import ends_open

LONGEST_LINE = 1_048_576
# What is kept of a longer one.
_BEGINNING = 200
# No valid cell holds a line break. A record of more lines than this is rather a quote that was
# never closed, which must not take the rest of the file with it.
MOST_LINES = 100


class Line(NamedTuple):
    """A line with its end, or a CSV record of several lines; of a too long one the beginning."""

    number: int
    """Counted from 1; of a record that of its first line."""
    data: bytes
    offset: int
    """Where the next line begins."""
    line_count: int = 1
    """Of how many lines it is."""
    left_out: int = 0
    """How many bytes are missing from `data`, because it is too long."""

    @property
    def last(self) -> int:
        return self.number + self.line_count - 1

    @property
    def start(self) -> int:
        """Where in the file it begins."""
        return self.offset - len(self.data) - self.left_out


Lines = Callable[[BinaryIO, int, int], Iterator[Line]]


def lines(file: BinaryIO, offset: int = 0, number: int = 0) -> Iterator[Line]:
    """The lines behind so many bytes and lines; empty ones are left out."""
    return (line for line in _all_lines(file, offset, number) if line.data.strip())


def records(file: BinaryIO, offset: int = 0, number: int = 0) -> Iterator[Line]:
    """As lines(), but a CSV record that goes over several lines is one."""
    source = _all_lines(file, offset, number)
    ahead: deque[Line] = deque()
    while (line := _next(ahead, source)) is not None:
        if not line.data.strip():
            continue
        if b'"' not in line.data or not _ends_open(line.data):
            yield line
            continue
        rest, is_closed = _rest(ahead, source, len(line.data))
        if is_closed:
            data = b"".join(each.data for each in (line, *rest))
            yield Line(line.number, data, rest[-1].offset, 1 + len(rest))
        else:
            # The quote is a slip: this line is wrong, and those behind it are looked at again.
            yield line
            ahead.extendleft(reversed(rest))


def _rest(ahead: deque[Line], source: Iterator[Line], size: int) -> tuple[list[Line], bool]:
    """The lines up to the one that closes the quote, and whether there is one."""
    rest: list[Line] = []
    while len(rest) + 1 < MOST_LINES and (line := _next(ahead, source)) is not None:
        rest.append(line)
        size += len(line.data) + line.left_out
        if size > LONGEST_LINE:
            break
        if b'"' in line.data and not _ends_open(b'"' + line.data):
            return rest, True
    return rest, False


def _ends_open(data: bytes) -> bool:
    # Every byte is a character here: what is no UTF-8 is another one's matter.
    return ends_open(data.decode("latin-1"))


def _next(ahead: deque[Line], source: Iterator[Line]) -> Line | None:
    return ahead.popleft() if ahead else next(source, None)


def _all_lines(file: BinaryIO, offset: int, number: int) -> Iterator[Line]:
    while data := file.readline(LONGEST_LINE + 1):
        number += 1
        offset += len(data)
        if len(data) <= LONGEST_LINE or data.endswith(b"\n"):
            yield Line(number, data, offset)
            continue
        beginning, left_out = data[:_BEGINNING], len(data) - _BEGINNING
        while data and not data.endswith(b"\n"):
            data = file.readline(LONGEST_LINE)
            offset += len(data)
            left_out += len(data)
        yield Line(number, beginning, offset, left_out=left_out)
