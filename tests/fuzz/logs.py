"""Reads the logs of a suite as they grow: no line may be at error level or too long."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.fuzz.findings import Finding

_LONGEST_LINE = 10_000
_ERRORS = ("[error]", "[critical]", "Traceback (most recent", "panicked at", "terminate called")


class Logs:
    """Several files, read from their present end on."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._read = {file: file.stat().st_size if file.exists() else 0 for file in files}
        self.lines = 0

    def findings(self) -> Iterator[Finding]:
        """What is wrong with the lines since the last call."""
        for file in self._read:
            for line in self._new_lines(file):
                self.lines += 1
                if why := _wrong(line):
                    yield Finding("nothing at error level in a log", f"{file.name}: {why}")

    def _new_lines(self, file: Path) -> Iterator[str]:
        if not file.exists():
            return
        with file.open("rb") as stream:
            stream.seek(self._read[file])
            for line in stream:
                if not line.endswith(b"\n"):
                    break  # The rest of the line is not written yet.
                self._read[file] += len(line)
                yield line.decode("utf-8", "replace")


def _wrong(line: str) -> str | None:
    if len(line) > _LONGEST_LINE:
        return f"a line of more than {_LONGEST_LINE} characters: {line[:200]}"
    if not line.startswith("{"):
        return line[:500] if any(sign in line for sign in _ERRORS) else None
    try:
        entry = json.loads(line)
    except ValueError:
        return f"no JSON: {line[:300]}"
    if entry.get("level") not in {"error", "critical"}:
        return None
    kept = ("service", "event", "method", "code", "why", "exception", "at")
    return " ".join(f"{name}={entry[name]}" for name in kept if name in entry)[:900]
