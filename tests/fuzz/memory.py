"""Watches the memory of the processes of a suite: it must not grow."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import redis

from tests.fuzz.findings import Finding

_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 1024 * 1024
# The allowed growth after the warm-up, during which allocators and caches fill.
_GROWTH, _EXTRA = 1.15, 24 * _MIB


def processes_below(pid: int) -> dict[str, int]:
    """The descendants of a process by name; equal names are numbered."""
    found: dict[str, int] = {}
    for child in _descendants(pid):
        name = _name(child)
        same = sum(each.partition("#")[0] == name for each in found)
        found[f"{name}#{same + 1}" if same else name] = child
    return found


def resident(pid: int) -> int:
    """Bytes; 0 for a process that has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


class Memory:
    """Compares each measurement with the first one after the warm-up."""

    def __init__(self, suite: Mapping[str, int], workers: Mapping[str, int], store: str) -> None:
        self._suite, self._workers = suite, workers
        self._store = redis.Redis.from_url(store)
        self._held: dict[str, int] = {}
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}

    def look(self, *, is_warm: bool) -> None:
        self.last = {name: resident(pid) for name, pid in self._suite.items()}
        # Of a worker that has ended, the last measurement counts.
        held = {
            name: resident(pid) or self._held.get(name, 0) for name, pid in self._workers.items()
        }
        self._held = held
        self.last |= {f"worker {name}": size for name, size in held.items()}
        self.last["data in the store"] = self._store.info("memory")["used_memory"]
        if is_warm and not self.first:
            self.first = dict(self.last)

    def findings(self) -> Iterator[Finding]:
        for name, now in self.last.items():
            first = self.first.get(name)
            if first is not None and now > first * _GROWTH + _EXTRA:
                yield Finding(
                    "constant memory", f"{name}: {first // _MIB} MiB, then {now // _MIB} MiB"
                )
            if now == 0 and name in self._suite:
                yield Finding("no process ends", name)

    def close(self) -> None:
        self._store.close()

    def summary(self) -> str:
        pairs = ((name, self.first.get(name, now), now) for name, now in self.last.items())
        return (
            ", ".join(f"{name} {was // _MIB}->{now // _MIB}" for name, was, now in pairs) + " MiB"
        )


def _descendants(pid: int) -> Iterator[int]:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield int(child)
            yield from _descendants(int(child))


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_text("latin-1").split("\0")
    modules = [word for word in words if word.startswith(("services.", "gateway"))]
    return modules[0] if modules else Path(words[0]).name or "process"
