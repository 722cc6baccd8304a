"""Between the lines of a file and rows: what is accepted, what is refused, and why."""

import io
import json
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
from operations.commands.bulk import transfer
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
from operations.commands.bulk.transfer import import_rows

HEADER = ",".join(COLUMNS)
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
    assert read("ndjson", line) == [row]


@pytest.mark.parametrize(
    "line",
    [
        "7",
        "{",
        '{"userId":7}',
        '{"userId":"a","points":true}',
        '{"userId":"a","points":1.5}',
        '{"userId":"a","points":2147483648}',
        '{"userId":"a","userID":"b"}',
        '{"userId":"a","userId":"b"}',
        '{"userId":"a","unknown":1}',
        '{"userId":"a","byHand":"yes"}',
        '{"userId":"a","protectedUntil":"yesterday"}',
        '{"userId":"\\ud800"}',
        '{"userId":"\udcff"}',
        '{"userId":"a","points":' + "9" * 5_000 + "}",
        '{"userId":"' + "x" * LONGEST_LINE + '"}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_not_a_json_row_is_refused(line: str) -> None:
    with pytest.raises(WrongLineError):
        read("ndjson", line)


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
    assert read("csv", f"{HEADER}\n{line}") == [row]


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
        read("csv", f"{HEADER}\n{line}")


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


class FakeStub(NamedTuple):
    """Records the messages and rejects the first row."""

    messages: list[ImportUsersRequest]

    def ImportUsers(self, messages: Any) -> ImportUsersResponse:  # noqa: N802
        received = list(messages)
        self.messages.extend(received)
        rejects = [RejectedRow(position=1, field="points", description="no")]
        written = sum(len(message.users) for message in received) - 1
        return ImportUsersResponse(written=written, rejected=1, rejects=rejects)


def test_rows_are_sent_in_messages_that_the_service_accepts(tmp_path: Path) -> None:
    small = '{"userId":"a"}\n' * 1_100
    large = f'{{"userId":"{"x" * 200_000}"}}\n' * 5
    stub: Any = FakeStub([])
    done = import_rows(stub, io.StringIO(small + large), "ndjson", tmp_path / "rejects")
    assert (done.written, done.rejected) == (1_104, 1)
    assert [len(message.users) for message in stub.messages] == [500, 500, 102, 2, 1]
    assert max(message.ByteSize() for message in stub.messages) < 1_048_576


def test_rejects_of_file_and_service_are_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = '{\n{"userId":"甲"}\n"\udcff"\n'
    rejects = tmp_path / "rejects"
    rejects.write_text("of an earlier import")
    stub: Any = FakeStub([])
    assert import_rows(stub, io.StringIO(text), "ndjson", rejects).rejected == 3
    first, second, third = rejects.read_text().splitlines()
    assert first.startswith('{"line": 1, "reason": "Failed to load JSON: Expecting')
    assert second == '{"line": 2, "reason": "points: no", "text": "{\\"userId\\":\\"甲\\"}"}'
    assert third.endswith('"text": "\\"\\udcff\\""}')


def test_rejects_of_later_calls_have_the_numbers_of_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_LINES_PER_CALL", 2)
    stub: Any = FakeStub([])
    text = '{"userId":"a"}\n\n{"userId":"b"}\n{"userId":"c"}\nwrong\n'
    done = import_rows(stub, io.StringIO(text), "ndjson", tmp_path / "rejects")
    assert (done.written, done.rejected) == (1, 3)
    rejects = (tmp_path / "rejects").read_text().splitlines()
    assert [json.loads(line)["line"] for line in rejects] == [1, 4, 5]
