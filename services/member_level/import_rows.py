"""Reads the rows of an import, or finds out why a row cannot be imported."""

from levelgate.member.v1.member_bulk_pb2 import UserRow
from services.member_level.messages import change_of
from services.runtime.errors import Violation
from services.runtime.validation import (
    MAX_INT32,
    Check,
    identifier,
    integer,
    violations,
)
from services.user_state import history
from services.user_state.record import MAX_IMPORTED_VERSION, MAX_PROTECTED_UNTIL, Source
from services.user_state.rows import Row

_MOST_CHANGES = 64
_LEVELS_NAMED = 8

_CHECKS: list[Check] = [
    identifier("user_id"),
    integer("points", 0),
    integer("level", 0, optional=True),
    integer("version", 0, MAX_IMPORTED_VERSION),
]


class RowReader:
    """Reads rows, whose levels must have a rule."""

    def __init__(self, levels: frozenset[int]) -> None:
        self._levels = levels
        # A reply of at most 4 MiB may repeat this text for 20,000 rows.
        some = ", ".join(map(str, sorted(levels)[:_LEVELS_NAMED]))
        self._some_levels = some + (", …" if len(levels) > _LEVELS_NAMED else "")

    def read(self, message: UserRow) -> Row | Violation:
        """The row, or the first thing that is wrong with it."""
        wrong, _ = violations(_CHECKS, message)
        if wrong:
            return wrong[0]
        user, points = message.user_id, message.points
        level = message.level if message.HasField("level") else None
        if level is not None and level not in self._levels:
            return Violation("level", f"must have a rule ({self._some_levels}); got {level}")
        if message.by_hand:
            return self._manual(message, level)
        if message.partner_id or message.HasField("protected_until"):
            field = "partner_id" if message.partner_id else "protected_until"
            return Violation(field, "must be absent unless by_hand is set")
        if message.history:
            return self._with_history(message, Row(user, points, level, version=message.version))
        return Row(user, points, level, Source.EARNED, 0, "", message.version)

    def _manual(self, message: UserRow, level: int | None) -> Row | Violation:
        if level is None:
            return Violation("level", "is required if by_hand is set")
        wrong, _ = violations([identifier("partner_id")], message)
        if wrong:
            return wrong[0]
        until = message.protected_until.seconds
        if not message.HasField("protected_until") or not 0 <= until <= MAX_PROTECTED_UNTIL:
            return Violation(
                "protected_until", f"is required if by_hand is set, 0..{MAX_PROTECTED_UNTIL} s"
            )
        row = Row(
            message.user_id,
            message.points,
            level,
            Source.MANUAL,
            until,
            message.partner_id,
            message.version,
        )
        return self._with_history(message, row)

    def _with_history(self, message: UserRow, row: Row) -> Row | Violation:
        if not message.history:
            return row
        if len(message.history) > _MOST_CHANGES:
            return Violation("history", f"must have at most {_MOST_CHANGES} changes")
        if row.level is None:
            return Violation("level", "is required if history is given")
        try:
            changes = [change_of(change) for change in message.history]
        except ValueError:
            return Violation("history", "must contain only known kinds of changes")
        if wrong := _broken(message, changes):
            return Violation("history", wrong)
        return row._replace(history=history.pack(changes))


def _broken(message: UserRow, changes: list[history.Change]) -> str:
    """Why the changes, newest first, do not lead to the state in the row; "" if they do."""
    source = Source.MANUAL if message.by_hand else Source.EARNED
    after: history.State | None = history.State(message.level, message.points, source)
    version = message.version
    for change in changes:
        is_next = change.after == after and change.version == version > change.previous_version
        if not is_next or change.kind is history.Kind.DELETED:
            return "must lead, newest first, to the row's level, points and version"
        if not _in_range(change):
            return "must have numbers in range, and at most 128 characters in app and partner"
        after, version = change.before, change.previous_version
    return ""


def _in_range(change: history.Change) -> bool:
    state = change.before
    return (
        0 <= change.milliseconds <= MAX_PROTECTED_UNTIL * 1_000
        and (change.previous_version > 0) == (state is not None)
        and 0 <= change.previous_version <= MAX_IMPORTED_VERSION
        and (state is None or (state.level >= 0 and state.points >= 0))
        and 0 <= change.rule <= MAX_INT32
        and 0 <= change.rule_version <= MAX_INT32
        and max(len(change.app), len(change.partner)) <= 128
    )
