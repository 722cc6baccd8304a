"""What the foreground makes of the parts' logs."""

import json
import os
import pty
from datetime import UTC, datetime
from pathlib import Path

import pytest

from operations.local_stack.console import Console, Tail, wants_colour
from operations.local_stack.log_lines import LONGEST_SHOWN, last_lines, read_line

NOW = datetime(2026, 1, 2, 12, 0, 1, tzinfo=UTC)


def shown(raw: bytes) -> tuple[str, ...]:
    return read_line(raw, NOW).lines


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (
            {"event": "started", "level": "info", "service": "a", "port": 50051},
            "info  started port=50051",
        ),
        ({"level": "warning", "event": "slow", "ms": 1.5}, "warning slow ms=1.5"),
        ({"method": "GET", "path": "/show", "grpc": None}, "method=GET path=/show"),
        ({"event": "x", "why": "two words", "empty": ""}, 'x why="two words" empty=""'),
        ({"event": "等级", "ok": True, "ids": [1, 3]}, "等级 ok=true ids=[1,3]"),
        ({}, ""),
    ],
)
def test_json_becomes_readable(record: dict[str, object], text: str) -> None:
    assert shown(json.dumps(record).encode()) == (text,)


def test_a_record_tells_its_own_time() -> None:
    stamp = "2025-11-21T09:08:07.123Z"
    local = datetime.fromisoformat(stamp).astimezone()
    assert read_line(f'{{"timestamp": "{stamp}"}}'.encode(), NOW).clock == f"{local:%H:%M:%S}"
    assert read_line(b'{"timestamp": "soon"}', NOW).clock == "12:00:01"
    assert read_line(b"plain", NOW).clock == "12:00:01"


def test_a_traceback_in_a_record_keeps_its_lines() -> None:
    record = {"event": "bug", "level": "error", "exception": "Traceback:\n  File x"}
    assert shown(json.dumps(record).encode()) == ("error bug", "Traceback:", "  File x")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain words\r", "plain words"),
        (b'{"half": ', '{"half": '),
        (b"[1, 2]", "[1, 2]"),
        (b"{" * 100_000, "{" * LONGEST_SHOWN + " ... (cut: the log file has it all)"),
        (b"caf\xe9 \xff", r"caf\xe9 \xff"),
        (b"\x1b[2Jgone\x07", r"\x1b[2Jgone\x07"),
        (b'{"event": "\\u001b[2J \\ud800"}', r"\x1b[2J \ud800"),
    ],
)
def test_anything_else_is_shown_harmless(raw: bytes, text: str) -> None:
    assert shown(raw) == (text,)


def test_a_tail_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb", buffering=0) as file:
        tail = Tail(log)
        file.write(b"half a")
        assert tail.lines() == []
        file.write(b" line\nand")
        assert tail.lines() == [b"half a line"]
        assert tail.rest() == [b"and"]


def test_a_tail_holds_only_the_start_of_a_line_without_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb", buffering=0) as file:
        tail = Tail(log)
        for _ in range(10):
            file.write(b"x" * 100_000)
            assert tail.lines() == []
        file.write(b"\nnext\n")
        first, following = tail.lines()
    assert first == b"x" * Tail.LONGEST
    assert following == b"next"
    tail.rest()


def test_a_tail_far_behind_skips_to_now_and_says_so(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb", buffering=0) as file:
        tail = Tail(log)
        file.write(b"".join(b"%06d\n" % number for number in range(1_000_000)))
        note, *rest = tail.lines()
        assert note.startswith(b"... ")
        assert note.endswith(f"bytes not shown: {log}".encode())
        assert rest[-1] == b"999999"
        assert len(rest) < 10_000
        tail.rest()


def test_last_lines_are_few_even_of_a_huge_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first\n" + b"x" * 1_000_000 + b"\nlast")
    *_, cut, last = last_lines(log, 10)
    assert len(cut) < LONGEST_SHOWN + 100
    assert last == "last"


def test_every_line_carries_its_part_and_a_copied_one_none(tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    log = tmp_path / "member_level.log"
    log.write_bytes(b"one\ntwo")
    with out.open("wb") as out_file, err.open("wb") as err_file:
        console = Console(
            out_file.fileno(), err_file.fileno(), names=["member_level"], colour=False
        )
        console.follow("member_level", log)
        console.say("running")
        console.show("curl")
        console.fail("broken:\nwhy")
        console.close()
    lines = out.read_text().splitlines()
    assert [line[9:] if "|" in line else line for line in lines] == [
        "member_level | one",
        "stack        | running",
        "curl",
        "member_level | two",
    ]
    first, second = err.read_text().splitlines()
    assert first[9:] == "stack        | broken:"
    assert second == "    why"


def test_colour_marks_names_and_levels_only_when_asked_for(tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    log.write_text('{"event": "bug", "level": "error"}\n')
    with out.open("wb") as file:
        console = Console(file.fileno(), file.fileno(), names=["a"], colour=True)
        console.follow("a", log)
        console.close()
    assert "\033[36ma     |\033[0m \033[31merror bug\033[0m\n" in out.read_text()


def test_colour_is_for_terminals_and_gives_way_to_no_color(tmp_path: Path) -> None:
    terminal, other = pty.openpty()
    try:
        assert wants_colour(other, {})
        assert not wants_colour(other, {"NO_COLOR": "1"})
        with (tmp_path / "file").open("w") as file:
            assert not wants_colour(file.fileno(), {})
    finally:
        os.close(terminal)
        os.close(other)


def test_a_reader_that_leaves_is_no_fault(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = tmp_path / "log"
    log.write_text("line\n")
    console = Console(writer, writer, names=["a"], colour=False)
    console.follow("a", log)
    console.say("anyone?")
    console.close()
    os.close(writer)
