"""How the rows of a file are sent to the service, and what is written about those it rejects."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from levelgate.member.v1.member_bulk_pb2 import (
    ImportUsersRequest,
    ImportUsersResponse,
    RejectedRow,
)
from operations.commands.bulk import transfer
from operations.commands.bulk.transfer import import_rows


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
