"""The changes of a user, as the scripts of this package pack them into the record and the feed.

An entry holds the kind of the change and the state before it. The state after it is in the next
entry, or in the record. Numbers are varints, because most are small: an entry takes about 25 bytes.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from services.user_state.record import Record, Source

# The length of an entry, which comes before it.
LENGTH = struct.Struct(">H")
# The state after a change, which comes first in the feed: source, level, points.
STATE = struct.Struct(">BII")
# The source in the feed of a deletion.
NO_USER = 255


class Kind(IntEnum):
    """The kind of a change. The numbers are those of ChangeKind in the contract."""

    INITIALISED = 1
    POINTS_SET = 2
    POINTS_ADDED = 3
    SET_MANUALLY = 4
    DEMOTED = 5
    IMPORTED = 6
    DELETED = 7


@dataclass(frozen=True, slots=True)
class State:
    """A user's level and points at one time."""

    level: int
    points: int
    source: Source


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `before` is None if the user was new, `after` if the user was deleted."""

    version: int
    milliseconds: int
    """Since 1970."""
    kind: Kind
    before: State | None
    after: State | None
    previous_version: int
    """0 for a new user."""
    app: str
    partner: str
    rule: int
    """The id of the rule that gave the level; 0 if the change did not follow a rule."""
    rule_version: int


def changes_of(record: Record) -> list[Change]:
    """The changes that are retained with a record, newest first."""
    changes = []
    version, at = record.version, 0
    after: State | None = State(record.level, record.points, record.source)
    while at < len(record.history):
        (length,) = LENGTH.unpack_from(record.history, at)
        at += LENGTH.size
        change = _read(record.history[at : at + length], version, after)
        changes.append(change)
        version, after = change.previous_version, change.before
        at += length
    return changes


def is_complete(changes: Sequence[Change]) -> bool:
    """Whether the changes of a user, newest first, go back to the user's creation."""
    return bool(changes) and changes[-1].before is None


def change_in_feed(version: int, packed: bytes) -> Change:
    """A change as it is packed in the feed under its version."""
    source, level, points = STATE.unpack_from(packed)
    after = None if source == NO_USER else State(level, points, Source(source))
    return _read(packed[STATE.size + LENGTH.size :], version, after)


def pack(changes: Sequence[Change]) -> bytes:
    """Packs the changes of an imported user as they are stored with a record."""
    return b"".join(_length_first(_written(change)) for change in changes)


def _read(entry: bytes, version: int, after: State | None) -> Change:
    numbers = []
    at = 0
    for _ in range(8):
        number, at = _varint(entry, at)
        numbers.append(number)
    kind_and_source, milliseconds, level, points, previous, rule, rule_version, length = numbers
    app = entry[at : at + length].decode()
    length, at = _varint(entry, at + length)
    return Change(
        version=version,
        milliseconds=milliseconds,
        kind=Kind(kind_and_source // 2),
        before=State(level, points, Source(kind_and_source % 2)) if previous else None,
        after=after,
        previous_version=previous,
        app=app,
        partner=entry[at : at + length].decode(),
        rule=rule,
        rule_version=rule_version,
    )


def _written(change: Change) -> bytes:
    before = change.before or State(0, 0, Source.EARNED)
    app, partner = change.app.encode(), change.partner.encode()
    numbers = (
        change.kind * 2 + before.source,
        change.milliseconds,
        before.level,
        before.points,
        change.previous_version,
        change.rule,
        change.rule_version,
    )
    head = b"".join(map(_as_varint, numbers))
    return head + _as_varint(len(app)) + app + _as_varint(len(partner)) + partner


def _length_first(entry: bytes) -> bytes:
    return LENGTH.pack(len(entry)) + entry


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _as_varint(number: int) -> bytes:
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
