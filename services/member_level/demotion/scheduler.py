"""Starts demotions on a schedule. Every instance checks; the store decides which one starts."""

import threading
import time
from collections.abc import Callable

import redis
import structlog

from services.member_level.demotion.coordinator import DemotionCoordinator
from services.member_level.demotion.run import Run
from services.member_level.demotion.run_store import new_run_id
from services.member_level.demotion.schedule import Schedule
from services.rules.rule_book import RuleBook
from services.store import keys
from services.store.store import Store

# The name of the app in the history of a member who was demoted on a schedule.
APP = "schedule"
_POLL_SECONDS = 1.0


class DemotionScheduler:
    """Starts a run when one is due. If all instances were down at that time, it starts late."""

    def __init__(
        self,
        store: Store,
        rules: RuleBook,
        demotions: DemotionCoordinator,
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
        """Checks every second until `stopping` is set."""
        arguments = (stopping,)
        threading.Thread(target=self._work, args=arguments, name="schedule", daemon=True).start()

    def start_if_due(self) -> bool:
        """Whether this instance started a run. Raises redis.RedisError."""
        slot = self._schedule.slot(self._now())
        book = self._rules.book()
        if not book.ladder.rules or not self._claim(slot):
            return False
        run = self._demotions.start(Run(new_run_id(), APP, book.version))
        self._log.info("scheduled demotion", run=run.id)
        return True

    def _claim(self, slot: int) -> bool:
        """Whether this instance is the first to claim the slot."""
        prefix = f"{self._schedule.period}:{self._schedule.offset}:"
        last = _slot_in(self._store.get(keys.DEMOTION_SLOT), prefix)
        # An instance whose clock is slow must not set the slot back for the others.
        if last is not None and last >= slot:
            return False
        last = _slot_in(self._store.set(keys.DEMOTION_SLOT, f"{prefix}{slot}", get=True), prefix)
        # A new schedule starts with its next time, not with one from before it was configured.
        return last is not None and last < slot

    def _work(self, stopping: threading.Event) -> None:
        while not stopping.wait(_POLL_SECONDS):
            try:
                self.start_if_due()
            except redis.RedisError:
                # The store's health check reports the outage.
                self._log.debug("the schedule waits for the store")
            except Exception as error:
                self._log.error("scheduled demotion failed", exc_info=error)


def _slot_in(stored: bytes | None, prefix: str) -> int | None:
    """None if nothing is stored, or if the stored slot belongs to another schedule."""
    text = (stored or b"").decode()
    return int(text.removeprefix(prefix)) if text.startswith(prefix) else None
