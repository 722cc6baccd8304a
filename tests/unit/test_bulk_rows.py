"""Between the lines of a file and rows: what is accepted, what is refused, and why."""

import io
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from levelgate.member.v1.member_bulk_pb2 import (
    ImportUsersRequest,
    ImportUsersResponse,
    RejectedRow,
    UserRow,
)
from operations.commands.bulk.rows import (
    COLUMNS,
    FORMATS,
    LONGEST_LINE,
    FileError,
    Line,
    WrongLineError,
)
from operations.commands.bulk.transfer import import_rows

JSON, CSV = FORMATS["ndjson"], FORMATS["csv"]
NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)


def row_of(user: str, points: int, level: int, version: int, by_hand: bool) -> UserRow:
    row = UserRow(user_id=user, points=points, level=level, version=version)
    if by_hand:
        row.by_hand = True
        row.partner_id = '伙伴,"x"\n'
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


@pytest.mark.parametrize("name", FORMATS)
@given(rows=st.lists(ROWS, max_size=5))
def test_what_is_written_can_be_read(name: str, rows: list[UserRow]) -> None:
    format_ = FORMATS[name]
    file = io.StringIO(newline="")
    file.write(format_.header)
    format_.write(file, rows)
    file.seek(0)
    assert [format_.parse(line.fields) for line in format_.lines(file)] == rows


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ('{"userId":"a","points":1}', UserRow(user_id="a", points=1)),
        ('{"user_id":"a","points":1,"level":0}', UserRow(user_id="a", points=1, level=0)),
        ('{"userId":"a","points":"7"}', UserRow(user_id="a", points=7)),
        ('{"userId":"a","version":"9"}', UserRow(user_id="a", version=9)),
        ("{}", UserRow()),
    ],
)
def test_a_json_row_is_read(line: str, row: UserRow) -> None:
    assert JSON.parse(line) == row


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "7",
        "{",
        '{"userId":7}',
        '{"userId":"a","points":true}',
        '{"userId":"a","points":1.5}',
        '{"userId":"a","points":2147483648}',
        '{"userId":"a","userID":"b"}',
        '{"userId":"a","user_id":"b"}',
        '{"userId":"a","userId":"b"}',
        '{"userId":"a","unknown":1}',
        '{"userId":"a","byHand":"yes"}',
        '{"userId":"a","protectedUntil":"yesterday"}',
        '{"userId":"\\ud800"}',
        '{"userId":"\udcff"}',
        '{"userId":"a","points":' + "9" * 5_000 + "}",
        '{"userId":"' + "x" * 900_000 + '"}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_not_a_json_row_is_refused(line: str) -> None:
    with pytest.raises(WrongLineError):
        JSON.parse(line)


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("a,1,,,,,", UserRow(user_id="a", points=1)),
        ("a,1,0,FALSE,,,9", UserRow(user_id="a", points=1, level=0, version=9)),
        ('"a,""b",1,,,,,', UserRow(user_id='a,"b', points=1)),
        ("=1+1,1,,,,,", UserRow(user_id="=1+1", points=1)),
        (",,,,,,", UserRow()),
    ],
)
def test_a_csv_row_is_read(line: str, row: UserRow) -> None:
    assert CSV.parse(csv_line(line).fields) == row


def csv_line(text: str, header: str = CSV.header) -> Line:
    [line] = CSV.lines(io.StringIO(header + text))
    return line


@pytest.mark.parametrize(
    "line",
    [
        "a,1",
        "a,1,,,,,,",
        '"a,1,,,,,',
        "a,x,,,,,",
        "a,1_0,,,,,",
        "a,１,,,,,",
        "a, 1,,,,,",
        "a,1.0,,,,,",
        "a,2147483648,,,,,",
        "a,99999999999999999999999,,,,,",
        "a,1,,maybe,,,",
        "a,1,1,true,p,yesterday,",
        "\udcff,1,,,,,",
    ],
)
def test_a_line_that_is_not_a_csv_row_is_refused(line: str) -> None:
    with pytest.raises(WrongLineError):
        CSV.parse(csv_line(line).fields)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "user_id",
        "points",
        "user_id,points,points",
        "user_id,points,name",
        "userid;points",
        "a,1",
    ],
)
def test_a_wrong_header_names_what_was_found_and_what_is_accepted(header: str) -> None:
    with pytest.raises(FileError) as raised:
        list(CSV.lines(io.StringIO(header)))
    for column in COLUMNS:
        assert column in str(raised.value)
    assert repr(header) in str(raised.value)


def test_columns_come_in_any_order() -> None:
    line = csv_line("5,a", header="points,user_id\r\n")
    assert CSV.parse(line.fields) == UserRow(user_id="a", points=5)


def test_a_csv_record_of_several_lines_has_the_number_and_text_of_all() -> None:
    lines = list(CSV.lines(io.StringIO('user_id,points\na,1\n"b\nc",2\n\nd,3\n', newline="")))
    assert [(line.number, line.text) for line in lines] == [
        (2, "a,1\n"),
        (3, '"b\nc",2\n'),
        (6, "d,3\n"),
    ]


def test_a_quote_that_is_never_closed_ends_the_import() -> None:
    file = io.StringIO('user_id,points\na,"1\n' + "b,2\n" * LONGEST_LINE)
    with pytest.raises(FileError, match=r"^line \d+: field larger than field limit"):
        list(CSV.lines(file))


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_line_that_is_too_long_is_one_line_and_the_next_is_read(end: str) -> None:
    file = io.StringIO("x" * (3 * LONGEST_LINE) + "\n{}" + end)
    long, short = JSON.lines(file)
    assert (long.number, len(long.text)) == (1, LONGEST_LINE)
    assert (short.number, short.text) == (2, "{}" + end)
    with pytest.raises(WrongLineError):
        JSON.parse(long.fields)


class FakeStub(NamedTuple):
    """Records the messages and rejects the first row."""

    messages: list[ImportUsersRequest]

    def ImportUsers(self, messages: Any, metadata: Any) -> ImportUsersResponse:  # noqa: N802
        assert metadata == ()
        received = list(messages)
        self.messages.extend(received)
        rejects = [RejectedRow(position=1, field="points", description="no")]
        written = sum(len(message.users) for message in received) - 1
        return ImportUsersResponse(written=written, rejected=1, rejects=rejects)


class FakeBulk(NamedTuple):
    stub: FakeStub

    def metadata(self) -> tuple[()]:
        return ()


def test_rows_are_sent_in_messages_that_the_service_accepts(tmp_path: Path) -> None:
    small = '{"userId":"a"}\n' * 1_100
    large = f'{{"userId":"{"x" * 200_000}"}}\n' * 5
    stub = FakeStub([])
    bulk: Any = FakeBulk(stub)
    done = import_rows(bulk, io.StringIO(small + large), JSON, tmp_path / "rejects")
    assert (done.written, done.rejected) == (1_104, 1)
    assert [len(message.users) for message in stub.messages] == [500, 500, 102, 2, 1]
    assert max(message.ByteSize() for message in stub.messages) < 1_048_576


def test_rejects_of_file_and_service_are_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = '{\n{"userId":"甲"}\n"\udcff"\n'
    rejects = tmp_path / "rejects"
    rejects.write_text("of an earlier import")
    bulk: Any = FakeBulk(FakeStub([]))
    assert import_rows(bulk, io.StringIO(text), JSON, rejects).rejected == 3
    first, second, third = rejects.read_text().splitlines()
    assert first.startswith('{"line": 1, "reason": "must be JSON: Expecting')
    assert second == '{"line": 2, "reason": "points: no", "text": "{\\"userId\\":\\"甲\\"}"}'
    assert third.endswith('"text": "\\"\\udcff\\""}')
