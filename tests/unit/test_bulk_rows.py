"""Between the lines of a file and rows: what is accepted, what is refused, and why."""

import io

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from levelgate.member.v1.member_bulk_pb2 import UserRow
from operations.commands.bulk.rows import (
    COLUMNS,
    FORMATS,
    LONGEST_LINE,
    FileError,
    Line,
    WrongLineError,
    parser,
    read_lines,
    write_header,
    write_rows,
)

HEADER = ",".join(COLUMNS)
HEADERS = {"ndjson": "", "csv": f"{HEADER}\n"}
NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)


def row_of(user: str, points: int, level: int, version: int, by_hand: bool) -> UserRow:
    row = UserRow(user_id=user, points=points, level=level, version=version)
    if by_hand:
        row.by_hand = True
        row.partner_id = '伙伴,"x"'
        row.protected_until.CopyFrom(Timestamp(seconds=1_800_000_000))
    return row


ROWS = st.builds(
    row_of,
    NAMES,
    st.integers(0, 2**31 - 1),
    st.integers(0, 50),
    st.integers(0, 2**50),
    st.booleans(),
)


def read(format_: str, text: str) -> list[UserRow]:
    lines = read_lines(io.StringIO(text, newline="\n"))
    parse = parser(format_, lines)
    return [parse(line.text) for line in lines]


@pytest.mark.parametrize("format_", FORMATS)
@given(rows=st.lists(ROWS, max_size=5))
def test_what_is_written_can_be_read(format_: str, rows: list[UserRow]) -> None:
    file = io.StringIO(newline="\n")
    write_header(format_, file)
    write_rows(format_, file, rows)
    assert read(format_, file.getvalue()) == rows


@pytest.mark.parametrize(
    ("format_", "line", "row"),
    [
        ("ndjson", '{"userId":"a","points":1}', UserRow(user_id="a", points=1)),
        ("ndjson", '{"user_id":"a","level":0}', UserRow(user_id="a", level=0)),
        ("ndjson", '{"userId":"a","points":"7"}', UserRow(user_id="a", points=7)),
        ("ndjson", '{"userId":"a","version":"9"}', UserRow(user_id="a", version=9)),
        ("ndjson", "{}", UserRow()),
        ("csv", "a,1,,,,,", UserRow(user_id="a", points=1)),
        ("csv", "a,1,0,FALSE,,,9", UserRow(user_id="a", points=1, level=0, version=9)),
        ("csv", '"a,""b",1,,,,,', UserRow(user_id='a,"b', points=1)),
        ("csv", "=1+1,1,,,,,", UserRow(user_id="=1+1", points=1)),
        ("csv", ",,,,,,", UserRow()),
    ],
)
def test_a_row_is_read(format_: str, line: str, row: UserRow) -> None:
    assert read(format_, HEADERS[format_] + line) == [row]


@pytest.mark.parametrize(
    ("format_", "line"),
    [
        ("ndjson", "7"),
        ("ndjson", "{"),
        ("ndjson", '{"userId":7}'),
        ("ndjson", '{"userId":"a","points":true}'),
        ("ndjson", '{"userId":"a","points":1.5}'),
        ("ndjson", '{"userId":"a","points":2147483648}'),
        ("ndjson", '{"userId":"a","userID":"b"}'),
        ("ndjson", '{"userId":"a","userId":"b"}'),
        ("ndjson", '{"userId":"a","unknown":1}'),
        ("ndjson", '{"userId":"a","byHand":"yes"}'),
        ("ndjson", '{"userId":"a","protectedUntil":"yesterday"}'),
        ("ndjson", '{"userId":"\\ud800"}'),
        ("ndjson", '{"userId":"\udcff"}'),
        ("ndjson", '{"userId":"a","points":' + "9" * 5_000 + "}"),
        ("ndjson", "[" * 100_000),
        ("csv", "a,1"),
        ("csv", "a,1,,,,,,"),
        ("csv", '"a,1,,,,,'),
        ("csv", "a,x,,,,,"),
        ("csv", "a,1_0,,,,,"),
        ("csv", "a,１,,,,,"),
        ("csv", "a, 1,,,,,"),
        ("csv", "a,1.0,,,,,"),
        ("csv", "a,2147483648,,,,,"),
        ("csv", "a,99999999999999999999999,,,,,"),
        ("csv", "a,1,,maybe,,,"),
        ("csv", "a,1,1,true,p,yesterday,"),
        ("csv", "\udcff,1,,,,,"),
    ],
)
def test_a_line_that_is_not_a_row_is_refused(format_: str, line: str) -> None:
    with pytest.raises(WrongLineError):
        read(format_, HEADERS[format_] + line)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "user_id",
        "points",
        "user_id,points,points",
        "user_id,points,name",
        "userid;points",
        "user_id,points\ra,1",
        "a,1",
    ],
)
def test_a_wrong_header_names_what_was_found_and_what_is_accepted(header: str) -> None:
    with pytest.raises(FileError) as raised:
        read("csv", header)
    for column in COLUMNS:
        assert column in str(raised.value)
    assert repr(header) in str(raised.value)


def test_columns_come_in_any_order_and_may_be_quoted() -> None:
    assert read("csv", '"points","user_id"\r\n5,a\r\n') == [UserRow(user_id="a", points=5)]


def test_lines_are_counted_with_empty_ones() -> None:
    lines = read_lines(io.StringIO("a,1\r\n\n d,3", newline="\n"))
    assert list(lines) == [Line(1, "a,1"), Line(3, " d,3")]


def test_a_line_that_is_too_long_is_one_line_and_the_next_is_read() -> None:
    long, short = read_lines(io.StringIO("x" * (3 * LONGEST_LINE) + "\n{}"))
    assert short == Line(2, "{}")
    for format_ in FORMATS:
        parse = parser(format_, iter([Line(1, HEADER)]))
        with pytest.raises(WrongLineError, match="at most"):
            parse(long.text)
