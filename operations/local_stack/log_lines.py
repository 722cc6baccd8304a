"""A part's log line as people read it: JSON becomes `info  started port=50051`, the rest stays."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

LONGEST_SHOWN = 2000
LAST_BYTES = 64 * 1024

TIMES = ("timestamp", "time", "ts")
EVENTS = ("event", "message", "msg")
# The prefix says it.
HIDDEN = "service"


@dataclass(frozen=True)
class LogLine:
    """What of a line is shown. A traceback in it has lines of its own."""

    clock: str
    level: str
    lines: tuple[str, ...]


def read_line(raw: bytes, now: datetime) -> LogLine:
    text = raw.decode(errors="backslashreplace").rstrip("\r\n")
    record = _record(text)
    if record is None:
        return LogLine(f"{now:%H:%M:%S}", "", (_shown(text),))
    when = _when(_take(record, TIMES), now)
    level = str(record.pop("level", "") or "")
    record.pop(HIDDEN, None)
    trace = str(record.pop("exception", "") or "").splitlines()
    event = str(_take(record, EVENTS) or "")
    pairs = [f"{name}={_value(value)}" for name, value in record.items() if value is not None]
    head = f"{level:<5} {event}".rstrip() if level else event
    first = " ".join(filter(None, [head, *pairs]))
    lines = [_shown(line) for line in (*(first.splitlines() or [""]), *trace)]
    return LogLine(f"{when:%H:%M:%S}", level.lower(), tuple(lines))


def last_lines(log: Path, count: int) -> list[str]:
    """The end of a log, however long it or its lines are."""
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LAST_BYTES))
        end = file.read().splitlines()[-count:]
    now = datetime.now().astimezone()
    return [shown for raw in end for shown in read_line(raw, now).lines][-count:]


def _record(text: str) -> dict[str, object] | None:
    if not text.startswith("{"):
        return None
    try:
        record = json.loads(text)
    # RecursionError: a line of brackets.
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _take(record: dict[str, object], names: tuple[str, ...]) -> object:
    return next((record.pop(name) for name in names if name in record), None)


def _when(stamp: object, now: datetime) -> datetime:
    try:
        return datetime.fromisoformat(str(stamp)).astimezone()
    except (ValueError, OverflowError):
        return now


def _value(value: object) -> str:
    if isinstance(value, str):
        plain = value and not any(letter.isspace() or letter in '"=' for letter in value)
        return value if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping | list | bool):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _shown(text: str) -> str:
    """Without what a terminal would obey: a caller's path may hold escape sequences."""
    cut = text[:LONGEST_SHOWN]
    safe = "".join(
        letter if letter.isprintable() or letter == "\t" else ascii(letter)[1:-1] for letter in cut
    )
    return safe if cut == text else f"{safe} ... (cut: the log file has it all)"
