"""The transitions of a user's level. Each is one script on one slot.

Record, index entries, history and feed change together or not at all. Every change raises the
user's version, also if a user is deleted and comes back.
"""

import time
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from services.rules.thresholds import LevelThreshold, LevelThresholds
from services.store.keys import Buckets
from services.store.reads import Reads, StoreReads
from services.store.scripts import NamedValues
from services.store.store import Store
from services.user_state.record import Record, unpack
from services.user_state.scripts import ADDED, Retention, Scripts


class Upgrade(NamedTuple):
    """The result of an upgrade."""

    record: Record
    rose: bool


class Bill(NamedTuple):
    """Identifies an addition of points, so that a repeat is not added again."""

    number: str
    """The caller's idempotency key, the same in every repeat."""
    app: str = ""
    expected_version: int | None = None
    """The version that the user must have; None for any."""


class Outcome(Enum):
    """How an addition of points ended; the values are those of add_points.lua."""

    DONE = b"DONE"
    REPEAT = b"REPEAT"
    UNKNOWN = b"UNKNOWN"
    VERSION = b"VERSION"
    RANGE = b"RANGE"


class Added(NamedTuple):
    """The user right after an addition of points."""

    delta: int
    points: int
    level: int
    rose: bool
    version: int


class Addition(NamedTuple):
    """The result of an addition of points."""

    outcome: Outcome
    added: Added | None = None
    """With DONE and REPEAT; with REPEAT it is the result of the first call."""
    found: int = 0
    """With VERSION the user's version, with RANGE its points."""


class UserState:
    """One level per user, read by all services and written by member_level.

    Every method raises redis.RedisError if the store is unavailable.
    """

    def __init__(
        self,
        store: Store,
        buckets: Buckets,
        retention: Retention = Retention(),  # noqa: B008  (immutable)
        now: Callable[[], float] = time.time,
        reads: Reads | None = None,
    ) -> None:
        self._reads: Reads = reads or StoreReads(store)
        self._buckets = buckets
        self._retention = retention
        self._scripts = Scripts(store, retention, now)

    def get(self, user: str) -> Record | None:
        packed = self._reads.get(self._buckets.of(user).record(user))
        return None if packed is None else unpack(packed)

    def initialise(
        self, user: str, lowest: LevelThreshold, rules_version: int, app: str = ""
    ) -> Record:
        """Starts a user at the lowest level with 0 points; an existing user stays unchanged."""
        packed = self._scripts.initialise(
            self._on(user, app), level=lowest.level, rule=lowest.rule, rules_version=rules_version
        )
        return unpack(packed)

    def set_points(
        self, user: str, points: int, thresholds: LevelThresholds, app: str = ""
    ) -> Upgrade | None:
        """Sets the total points and raises the level to the one they earn; never lowers it.

        None for an unknown user.
        """
        reply = self._scripts.set_points(self._on(user, app), points=points, **thresholds.arguments)
        return None if reply is None else Upgrade(unpack(reply[0]), bool(reply[1]))

    def add_points(
        self, user: str, delta: int, bill: Bill, thresholds: LevelThresholds
    ) -> Addition:
        """Adds to the total once for each idempotency key of an app and user.

        The level changes as in set_points.
        """
        reply = self._scripts.add_points(
            self._on(user, bill.app),
            bill_key=self._buckets.of(user).bill(bill.app, user, bill.number),
            bill_seconds=self._retention.bill_seconds,
            delta=delta,
            expected_version=-1 if bill.expected_version is None else bill.expected_version,
            **thresholds.arguments,
        )
        outcome = Outcome(reply[0])
        if outcome in {Outcome.DONE, Outcome.REPEAT}:
            added, points, level, rose, version = ADDED.unpack(reply[1])
            return Addition(outcome, Added(added, points, level, bool(rose), version))
        return Addition(outcome, found=int(reply[1]) if len(reply) > 1 else 0)

    def set_manually(
        self, user: str, level: int, partner: str, protected_until: int, app: str = ""
    ) -> Record | None:
        """Sets a level that holds until points earn a higher one. None for an unknown user."""
        packed = self._scripts.set_manually(
            self._on(user, app), level=level, protected_until=protected_until, partner=partner
        )
        return None if packed is None else unpack(packed)

    def delete(self, user: str, app: str = "") -> bool:
        """Deletes the user and its history; False for an unknown user."""
        return bool(self._scripts.delete(self._on(user, app)))

    def _on(self, user: str, app: str) -> NamedValues:
        return self._scripts.shared(self._buckets.of(user), app, user)
