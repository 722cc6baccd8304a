"""Demotions by the clock. Every instance looks; the store says which of them begins the run."""

import threading
import time
from collections.abc import Callable

import redis
import structlog

from services.member_level.demotion.following import Demotions
from services.member_level.demotion.runs import Run, new_run_id
from services.member_level.demotion.schedule import Schedule
from services.rules.rule_book import RuleBook
from services.store import keys
from services.store.store import Store

# Who demoted, in the history of a member.
APP = "schedule"
_LOOK_SECONDS = 1.0


class ScheduledDemotions:
    """Begins a demotion when one is due; one that was missed while all slept is made up for."""

    def __init__(
        self,
        store: Store,
        rules: RuleBook,
        demotions: Demotions,
        schedule: Schedule,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._rules = rules
        self._demotions = demotions
        self._schedule = schedule
        self._now = now
        self._log = structlog.get_logger()

    def start(self, stopping: threading.Event) -> None:
        """Looks again and again until `stopping` is set."""
        arguments = (stopping,)
        threading.Thread(target=self._work, args=arguments, name="schedule", daemon=True).start()

    def begin_if_due(self) -> bool:
        """Whether this instance began a run. Raises redis.RedisError."""
        slot = self._schedule.slot(self._now())
        book = self._rules.book()
        if not book.ladder.rules or not self._is_mine(slot):
            return False
        run = self._demotions.begin(Run(new_run_id(), APP, book.version))
        self._log.info("scheduled demotion", run=run.id)
        return True

    def _is_mine(self, slot: int) -> bool:
        """Whether nobody has had this slot yet: of all who ask, the first one hears yes."""
        mark = f"{self._schedule.period}:{self._schedule.offset}:"
        last = _slot_in(self._store.get(keys.DEMOTION_SLOT), mark)
        # An instance whose clock is behind must not take the others back.
        if last is not None and last >= slot:
            return False
        last = _slot_in(self._store.set(keys.DEMOTION_SLOT, f"{mark}{slot}", get=True), mark)
        # A schedule that is new begins with its next time, not with one before anybody wanted it.
        return last is not None and last < slot

    def _work(self, stopping: threading.Event) -> None:
        while not stopping.wait(_LOOK_SECONDS):
            try:
                self.begin_if_due()
            except redis.RedisError:
                # The store's watch tells the operator.
                self._log.debug("the schedule waits for the store")
            except Exception as error:
                self._log.error("scheduled demotion failed", exc_info=error)


def _slot_in(noted: bytes | None, mark: str) -> int | None:
    """None: nothing is noted, or what is noted belongs to another schedule."""
    text = (noted or b"").decode()
    return int(text.removeprefix(mark)) if text.startswith(mark) else None
