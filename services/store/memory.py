"""The values that TrackedReads remembers, by key."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import cast

from services.store.reads import Found, Values

Hash = Mapping[str, bytes | None]
_Value = bytes | Hash | None
UNKNOWN = object()


class Memory:
    """Remembers up to `most` values and forgets the oldest ones.

    A lookup takes no lock. A change takes one and never waits while it holds it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        # A string's value, or the known fields of a hash.
        self._known: dict[str, _Value] = {}
        # Values that were read untracked since the last question on the tracked connection.
        self._untracked: dict[str, _Value] = {}
        self.size = 0

    def string(self, key: str) -> object:
        """The value in the store (None for an absent key), or UNKNOWN."""
        return self._known.get(key, UNKNOWN)

    def fields(self, key: str, fields: Sequence[str]) -> Values | None:
        """The values of the fields; None unless all of them are known."""
        known = self._known.get(key)
        if not isinstance(known, dict):
            return None
        try:
            return [known[field] for field in fields]
        except KeyError:
            return None

    def found(
        self, strings: Sequence[str], hashes: Sequence[str], fields: Sequence[str]
    ) -> Found | None:
        """All requested values; None unless all of them are known."""
        known = [self.string(key) for key in strings]
        if UNKNOWN in known:
            return None
        known_hashes = []
        for key in hashes:
            values = self.fields(key, fields)
            if values is None:
                return None
            known_hashes.append(values)
        return Found(cast(Values, known), known_hashes)

    def remember(self, values: Mapping[str, _Value]) -> None:
        """Remembers an answer of the tracked connection; of a hash only the requested fields."""
        with self._lock:
            for key, value in values.items():
                known = self._known.get(key)
                self._forget(key)
                if _agree(value, self._untracked.get(key, UNKNOWN)):
                    self._known[key] = _joined(known, value)
                    self.size += _size(self._known[key])
            while self.size > self._most:
                # An eighth at a time: values in use come back with their next read.
                for key in list(islice(self._known, len(self._known) // 8 + 1)):
                    self._forget(key)

    def note_untracked(
        self, strings: Sequence[str], hashes: Sequence[str], fields: Sequence[str], found: Found
    ) -> None:
        """Notes values that were read over another connection.

        They may be newer than the remembered ones, and newer than an answer that is on its way
        over the tracked connection. Remembered values that differ are forgotten, because otherwise
        the next read could return an older value than this one.
        """
        values: dict[str, _Value] = dict(zip(strings, found.strings, strict=True))
        for key, of_hash in zip(hashes, found.hashes, strict=True):
            values[key] = dict(zip(fields, of_hash, strict=True))
        with self._lock:
            for key, value in values.items():
                if not _agree(value, self._known.get(key, UNKNOWN)):
                    self._forget(key)
                self._untracked[key] = value

    def take_untracked(self, most: int) -> tuple[list[str], list[tuple[str, Sequence[str]]]]:
        """Strings, and hashes with their fields, that were read untracked: up to `most` values.

        Answers to questions that the tracked connection sends after this are newer than those.
        """
        with self._lock:
            taken = []
            for key, value in self._untracked.items():
                if _size(value) <= most:
                    most -= _size(value)
                    taken.append((key, value))
            self._untracked.clear()
        strings = [key for key, value in taken if not isinstance(value, dict)]
        return strings, [(key, list(value)) for key, value in taken if isinstance(value, dict)]

    def forget(self, keys: Iterable[str]) -> None:
        with self._lock:
            for key in keys:
                self._forget(key)

    def clear(self) -> None:
        with self._lock:
            self._known = {}
            self.size = 0

    def _forget(self, key: str) -> None:
        self.size -= _size(self._known.pop(key, UNKNOWN))


def _agree(one: object, other: object) -> bool:
    """Whether two values read for a key do not contradict each other."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(other.get(field, value) == value for field, value in one.items())
    return other is UNKNOWN or one == other


def _joined(known: _Value, value: _Value) -> _Value:
    # A new hash, because another thread may be reading the known one.
    if isinstance(known, dict) and isinstance(value, dict):
        return {**known, **value}
    return value


def _size(value: object) -> int:
    if value is UNKNOWN:
        return 0
    return len(value) if isinstance(value, dict) else 1
