"""Between a line of a file and a row: what is taken, what is refused, and nothing is changed."""

import io
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from levelgate.member.v1.member_bulk_pb2 import ImportUsersRequest, UserRow
from operations.bulk.importing import messages, read_chunk
from operations.bulk.lines import LONGEST_LINE, lines
from operations.bulk.progress import OtherFileError, Progress, fingerprint
from operations.bulk.rows import (
    COLUMNS,
    Reject,
    WrongHeaderError,
    WrongLineError,
    csv_header,
    csv_reader,
    read_json,
    write_csv,
    write_json,
)

READ = csv_reader(csv_header().rstrip())
TIME = Timestamp(seconds=1_800_000_000)

NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)


def row_of(user: str, points: int, level: int, version: int, by_hand: bool) -> UserRow:
    row = UserRow(user_id=user, points=points, level=level, version=version)
    if by_hand:
        row.by_hand = True
        row.partner_id = '伙伴,"x"'
        row.protected_until.CopyFrom(TIME)
    return row


ROWS = st.builds(
    row_of,
    NAMES,
    st.integers(0, 2**31 - 1),
    st.integers(0, 50),
    st.integers(0, 2**50),
    st.booleans(),
)


@given(ROWS)
def test_what_is_written_can_be_read(row: UserRow) -> None:
    assert read_json(write_json(row).rstrip("\n")) == row
    assert READ(write_csv(row).rstrip("\n")) == row


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
def test_json_rows(line: str, row: UserRow) -> None:
    assert read_json(line) == row


@pytest.mark.parametrize(
    "line",
    [
        "",
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
        "[" * 100_000,
    ],
)
def test_what_is_no_json_row(line: str) -> None:
    with pytest.raises(WrongLineError):
        read_json(line)


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("a,1,,,,,", UserRow(user_id="a", points=1)),
        ("a,1,0,FALSE,,,9", UserRow(user_id="a", points=1, level=0, version=9)),
        ('"a,""b",1,,,,,', UserRow(user_id='a,"b', points=1)),
        ("=1+1,-1,,,,,", UserRow(user_id="=1+1", points=-1)),
        (",,,,,,", UserRow()),
    ],
)
def test_csv_rows(line: str, row: UserRow) -> None:
    assert READ(line) == row


@pytest.mark.parametrize(
    "line",
    [
        "a,1",
        "a,1,,,,,,",
        '"a,1,,,,,',
        'a"b"c",1,,,,"',
        "a,x,,,,,",
        "a,1_0,,,,,",
        "a,１,,,,,",
        "a, 1,,,,,",
        "a,1.0,,,,,",
        "a,2147483648,,,,,",
        "a,99999999999999999999999,,,,,",
        "a,1,,maybe,,,",
        "a,1,1,true,p,yesterday,",
    ],
)
def test_what_is_no_csv_row(line: str) -> None:
    with pytest.raises(WrongLineError):
        READ(line)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "user_id",
        "points",
        "user_id,points,points",
        "user_id,points,name",
        "userid;points",
        '"',
        "a,1",
    ],
)
def test_a_wrong_header_names_what_was_found_and_what_is_accepted(header: str) -> None:
    with pytest.raises(WrongHeaderError) as raised:
        csv_reader(header)
    for column in COLUMNS:
        assert column in str(raised.value)


def test_columns_come_in_any_order() -> None:
    assert csv_reader("points,user_id")("5,a") == UserRow(user_id="a", points=5)


def test_lines_tell_where_the_next_one_begins() -> None:
    file = io.BytesIO(b"a\n\nbb\r\nccc")
    assert [(line.number, line.data, line.offset) for line in lines(file)] == [
        (1, b"a\n", 2),
        (3, b"bb\r\n", 7),
        (4, b"ccc", 10),
    ]


def test_a_line_that_is_too_long_is_one_line_and_the_next_is_read() -> None:
    file = io.BytesIO(b"x" * (3 * LONGEST_LINE) + b"\na\n")
    long, short = lines(file)
    assert (long.number, long.is_too_long, len(long.data)) == (1, True, 200)
    assert (short.number, short.data, short.offset) == (2, b"a\n", 3 * LONGEST_LINE + 3)


def test_a_chunk_keeps_wrong_lines_with_their_numbers() -> None:
    file = io.BytesIO(b'{"userId":"a"}\nno\n\xff\n{"userId":"b"}\n')
    chunk = read_chunk(lines(file), read_json)
    assert [row.user_id for row in chunk.rows] == ["a", "b"]
    assert [(reject.line, reject.text) for reject in chunk.rejects] == [
        (2, b"no\n"),
        (3, b"\xff\n"),
    ]
    assert "UTF-8" in chunk.rejects[1].reason
    assert '"text": "\\\\xff"' in chunk.rejects[1].as_json()


def test_rows_come_in_messages_of_500_and_half_a_mebibyte() -> None:
    small = [UserRow(user_id="a")] * 1_100
    assert [len(message.users) for message in messages(small)] == [500, 500, 100]
    large = [UserRow(user_id="x" * 200_000)] * 5
    sizes = [message.ByteSize() for message in messages(large)]
    assert max(sizes) < 1_048_576
    everything = ImportUsersRequest(
        users=[row for message in messages(large) for row in message.users]
    )
    assert len(everything.users) == 5


def test_progress_is_read_back_and_knows_its_file(tmp_path: Path) -> None:
    file, path = tmp_path / "members.csv", tmp_path / "members.csv.progress"
    file.write_text("a")
    progress = Progress(fingerprint(file), 5, 2, 1, 1, 0, 0)
    assert Progress.read(path, fingerprint(file)) == Progress(fingerprint(file))
    progress.write(path)
    assert Progress.read(path, fingerprint(file)) == progress
    file.write_text("ab")
    for content in (path.read_text(), "{", "[]"):
        path.write_text(content)
        with pytest.raises(OtherFileError):
            Progress.read(path, fingerprint(file))


def test_a_reject_keeps_what_the_line_said() -> None:
    assert Reject(7, "points: no", '{"甲":1}\n'.encode()).as_json() == (
        '{"line": 7, "reason": "points: no", "text": "{\\"甲\\":1}"}\n'
    )
