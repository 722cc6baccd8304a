"""Between a line of a file and a row: what is taken, what is refused, and nothing is changed."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from levelgate.member.v1.member_bulk_pb2 import UserRow
from operations.commands.bulk.csv_rows import (
    COLUMNS,
    WrongHeaderError,
    csv_header,
    csv_reader,
    write_csv,
)
from operations.commands.bulk.json_rows import read_json, write_json
from operations.commands.bulk.rows import WrongLineError
from services.member_level.import_rows import RowReader
from services.runtime.errors import Violation
from services.user_state.record import MAX_IMPORTED_VERSION
from services.user_state.rows import Row

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
        ("=1+1,1,,,,,", UserRow(user_id="=1+1", points=1)),
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
    ("field", "most"),
    [("points", 2**31 - 1), ("level", 2**31 - 1), ("version", MAX_IMPORTED_VERSION)],
)
def test_a_number_out_of_range_is_told_the_range_that_the_service_has(
    field: str, most: int
) -> None:
    read = csv_reader(f"user_id,points,{field}" if field != "points" else "user_id,points")
    other = "" if field == "points" else "1,"
    reader = RowReader(frozenset({most}))
    assert isinstance(reader.read(read(f"a,{other}{most}")), Row)
    for wrong in (-1, most + 1):
        with pytest.raises(WrongLineError, match=f"^{field}: must be 0..{most}; got {wrong}$"):
            read(f"a,{other}{wrong}")
    row = UserRow(user_id="a", points=1)
    setattr(row, field, -1)
    refused = reader.read(row)
    assert isinstance(refused, Violation)
    assert (refused.field, refused.description) == (field, f"must be 0..{most}; got -1")


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
