"""The transitions of a user's level, each one script on one slot.

Record, index entry, history and feed change together or not at all, and every change raises the
user's version, also across delete and return.
"""

import struct
import time
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from services.rules.thresholds import Step, Steps
from services.store.keys import Buckets
from services.store.reads import Reads, StoreReads
from services.store.store import Store, Value
from services.user_state.record import Record, unpack
from services.user_state.scripts import Kept, Scripts

_ANSWER = struct.Struct(">iIIBQ")


class Upgrade(NamedTuple):
    """What became of an upgrade."""

    record: Record
    rose: bool


class Bill(NamedTuple):
    """What makes adding points happen once."""

    number: str
    """The caller's own name for the change, the same in every repeat."""
    app: str = ""
    expected_version: int | None = None
    """The version that the user must be at; None for any."""


class Outcome(Enum):
    """How adding points ended; the words are those of add_points.lua."""

    DONE = b"DONE"
    REPEAT = b"REPEAT"
    UNKNOWN = b"UNKNOWN"
    VERSION = b"VERSION"
    RANGE = b"RANGE"


class Added(NamedTuple):
    """What added points made: the state right after."""

    delta: int
    points: int
    level: int
    rose: bool
    version: int


class Addition(NamedTuple):
    """What became of adding points."""

    outcome: Outcome
    added: Added | None = None
    """With DONE and REPEAT; with REPEAT, what the first call made."""
    found: int = 0
    """With VERSION the user's version, with RANGE its points."""


class UserState:
    """One level per user, read by all services and written by member_level.

    Every method raises redis.RedisError where the store does not serve.
    """

    def __init__(
        self,
        store: Store,
        buckets: Buckets,
        kept: Kept = Kept(),  # noqa: B008  (immutable)
        now: Callable[[], float] = time.time,
        reads: Reads | None = None,
    ) -> None:
        self._reads: Reads = reads or StoreReads(store)
        self._buckets = buckets
        self._kept = kept
        self._scripts = Scripts(store, kept, now)

    def get(self, user: str) -> Record | None:
        packed = self._reads.get(self._buckets.of(user).record(user))
        return None if packed is None else unpack(packed)

    def initialise(self, user: str, lowest: Step, rule_version: int, app: str = "") -> Record:
        """Starts a user with 0 points; an existing one is left as it is."""
        arguments = self._on(user, app, lowest.level, lowest.rule, rule_version)
        return unpack(self._scripts.initialise(*arguments))

    def set_points(self, user: str, points: int, steps: Steps, app: str = "") -> Upgrade | None:
        """Sets the total points and raises the level to the one they earn; never lowers it.

        None for an unknown user.
        """
        reply = self._scripts.set_points(*self._on(user, app, points, steps.packed, steps.version))
        return None if reply is None else Upgrade(unpack(reply[0]), bool(reply[1]))

    def add_points(self, user: str, delta: int, bill: Bill, steps: Steps) -> Addition:
        """Adds to the total, once for each bill number of an app and user; else as set_points."""
        expected = -1 if bill.expected_version is None else bill.expected_version
        keys, arguments = self._on(
            user, bill.app, delta, steps.packed, steps.version, expected, self._kept.bill_seconds
        )
        keys.append(self._buckets.of(user).bill(bill.app, user, bill.number))
        reply = self._scripts.add_points(keys, arguments)
        outcome = Outcome(reply[0])
        if outcome in {Outcome.DONE, Outcome.REPEAT}:
            made, points, level, rose, version = _ANSWER.unpack(reply[1])
            return Addition(outcome, Added(made, points, level, bool(rose), version))
        return Addition(outcome, found=int(reply[1]) if len(reply) > 1 else 0)

    def set_by_hand(
        self, user: str, level: int, partner: str, protected_until: int, app: str = ""
    ) -> Record | None:
        """Sets a level that stands until points earn a higher one. None for an unknown user."""
        packed = self._scripts.set_by_hand(*self._on(user, app, level, protected_until, partner))
        return None if packed is None else unpack(packed)

    def delete(self, user: str, app: str = "") -> bool:
        """Forgets the user and its history; False if there was none."""
        return bool(self._scripts.delete(*self._on(user, app)))

    def _on(self, user: str, app: str, *arguments: Value) -> tuple[list[str], list[Value]]:
        return self._scripts.on_user(self._buckets.of(user), user, app, *arguments)
