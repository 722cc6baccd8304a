"""A file on its way: its lines, CSV records of several lines, chunks, rejects and the progress."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelgate.member.v1.member_bulk_pb2 import ImportUsersRequest, UserRow
from operations.commands.bulk.chunks import Reject, messages, read_chunk
from operations.commands.bulk.json_rows import read_json
from operations.commands.bulk.lines import LONGEST_LINE, MOST_LINES, Line, lines, records
from operations.commands.bulk.progress import OtherFileError, Progress
from operations.commands.bulk.storing import fingerprint, read_progress, write_progress


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
    assert (long.number, len(long.data), long.left_out) == (1, 200, 3 * LONGEST_LINE - 199)
    assert long.start == 0
    assert (short.number, short.data, short.offset) == (2, b"a\n", 3 * LONGEST_LINE + 3)


def test_a_chunk_keeps_wrong_lines_with_their_numbers() -> None:
    file = io.BytesIO(b'{"userId":"a"}\nno\n\xff\n{"userId":"b"}\n')
    chunk = read_chunk(lines(file), read_json)
    assert [row.user_id for row in chunk.rows] == ["a", "b"]
    assert [(reject.line.number, reject.line.data) for reject in chunk.rejects] == [
        (2, b"no\n"),
        (3, b"\xff\n"),
    ]
    assert "UTF-8; byte 1" in chunk.rejects[1].reason


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
    assert read_progress(path, fingerprint(file)) == Progress(fingerprint(file))
    write_progress(path, progress)
    assert read_progress(path, fingerprint(file)) == progress
    file.write_text("ab")
    with pytest.raises(OtherFileError):
        read_progress(path, fingerprint(file))


NOTED = json.loads(Progress("it", 5).as_json())


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        {},
        {"of": "it"},
        {**NOTED, "more": 1},
        {**NOTED, "offset": "5"},
        {**NOTED, "offset": True},
        {**NOTED, "offset": -1},
        {**NOTED, "cursor": None},
    ],
)
def test_a_progress_that_nobody_wrote_is_of_another_file(fields: Any) -> None:
    with pytest.raises(OtherFileError):
        Progress.parsed(json.dumps(fields), "it")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\ufffd"])
def test_a_progress_that_is_no_json_is_of_another_file(text: str) -> None:
    with pytest.raises(OtherFileError):
        Progress.parsed(text, "it")


def test_a_reject_keeps_what_the_line_said() -> None:
    line = Line(7, '{"甲":1}\r\n'.encode(), 100)
    assert Reject(line, "points: no").as_json() == (
        '{"line": 7, "reason": "points: no", "text": "{\\"甲\\":1}"}\n'
    )


def test_a_reject_that_is_no_text_comes_as_base64() -> None:
    fields = json.loads(Reject(Line(1, b"\xff\n", 2), "no").as_json())
    assert base64.b64decode(fields["base64"]) == b"\xff"


def test_a_reject_that_is_too_long_says_where_the_file_has_it() -> None:
    file = io.BytesIO(b"a\n" + b"x" * (LONGEST_LINE + 5) + b"\n")
    chunk = read_chunk(lines(file), read_json)
    fields = json.loads(chunk.rejects[1].as_json())
    assert (fields["line"], fields["offset"], fields["bytes"]) == (2, 2, LONGEST_LINE + 6)


def test_a_record_goes_over_several_lines() -> None:
    file = io.BytesIO(b'a,1\n"b\nc",2\n\nd,"x""\n"\ne,5\n')
    assert [(r.number, r.line_count, r.last, r.data, r.offset) for r in records(file)] == [
        (1, 1, 1, b"a,1\n", 4),
        (2, 2, 3, b'"b\nc",2\n', 12),
        (5, 2, 6, b'd,"x""\n"\n', 22),
        (7, 1, 7, b"e,5\n", 26),
    ]


@pytest.mark.parametrize("behind", [3, MOST_LINES + 50])
def test_a_quote_that_is_never_closed_takes_one_line_only(behind: int) -> None:
    rest = b"".join(b"u%d,1\n" % number for number in range(behind))
    found = list(records(io.BytesIO(b'"a,1\n' + rest)))
    assert [line.line_count for line in found] == [1] * (behind + 1)
    assert b"".join(line.data for line in found[1:]) == rest


@given(st.lists(st.sampled_from([b"a,1", b'"b",2', b'"c', b'd"', b"", b'"e""', b"\xff", b'f"g'])))
def test_records_lose_no_line(pieces: list[bytes]) -> None:
    content = b"".join(piece + b"\n" for piece in pieces)
    found = list(records(io.BytesIO(content)))
    assert b"".join(line.data for line in found).split() == content.split()
    for line in found:
        # Whoever goes on behind it finds the same rest.
        again = list(records(io.BytesIO(content[line.offset :])))
        assert [each.data for each in again] == [
            each.data for each in found if each.offset > line.offset
        ]
