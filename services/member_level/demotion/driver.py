"""Drives the demotion that is recorded in the store, whoever asked for it and wherever it stopped.

One thread in every instance looks for a run without a driver. It goes round the buckets and
re-fits a batch in each: no step holds the store for long, and the changes of one bucket do not
outrun those who read its feed.
"""

import threading
import time
import uuid
from dataclasses import replace

import redis
import structlog

from services.member_level.demotion.progress import RunProgress
from services.member_level.demotion.runs import Run, RunState
from services.rules.rule_book import RuleBook
from services.store.batches import batched
from services.user_state.bulk import BATCH, DEMOTED_AT_A_TIME, BulkUsers

_LOOK_SECONDS = 1.0
# How often the cursor is noted; a driver that dies is followed by one that repeats so much at
# most, and a repeat finds nobody left to re-fit.
_NOTE_SECONDS = 0.25


class DemotionDriver:
    """`rate` is the users re-fitted in a second, at most; 0 for no limit."""

    def __init__(
        self,
        bulk: BulkUsers,
        progress: RunProgress,
        rules: RuleBook,
        *,
        rate: int,
        stopping: threading.Event,
    ) -> None:
        self._bulk = bulk
        self._runs = progress.runs
        self._progress = progress
        self._rules = rules
        self._rate = rate
        self._stopping = stopping
        self._name = str(uuid.uuid4())
        self._leased_until = 0.0
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, name="demotion", daemon=True)
        self._log = structlog.get_logger()

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is a run: look now."""
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Waits until the thread has ended, once `stopping` is set."""
        self._wake.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                run = self._runs.current()
                if run is not None and run.state is RunState.RUNNING and self._taken():
                    self._drive()
                    continue
            except redis.RedisError:
                # The store's watch tells the operator; the run goes on when it is back.
                self._log.debug("demotion waits for the store")
            except Exception as error:
                self._log.error("demotion failed; it will be tried again", exc_info=error)
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()

    def _taken(self) -> bool:
        since = time.monotonic()
        if not self._runs.take(self._name):
            return False
        self._leased_until = since + self._runs.lease_seconds
        return True

    def _drive(self) -> None:
        # Read again under the lease: the last driver may have come further, or to the end.
        run = self._runs.current()
        try:
            while run is not None and run.state is RunState.RUNNING and not self._stopping.is_set():
                run = self._go_on(run)
        finally:
            self._runs.release(self._name)

    def _go_on(self, run: Run) -> Run | None:
        """Drives for a while and notes how far it came; None if another driver has taken over."""
        book = self._rules.book()
        if book.version != run.rule_version:
            return self._end(replace(run, state=RunState.STOPPED))
        thresholds = book.demotion_thresholds
        note_at = time.monotonic() + _NOTE_SECONDS
        for buckets in batched(self._bulk.buckets.all()[run.bucket :], DEMOTED_AT_A_TIME):
            if time.monotonic() >= self._leased_until:
                # This process was paused: another one may drive by now, under other rules.
                return self._noted(run)
            demoted = self._bulk.demote(buckets, book.thresholds, thresholds, run.id, run.app)
            users = sum(each.now for each in demoted)
            run = replace(
                run,
                bucket=buckets[-1].number + 1,
                users=run.users + users,
                is_more=run.is_more or any(each.now == BATCH for each in demoted),
            )
            if self._rate and users:
                return self._held_back(run, users / self._rate)
            if time.monotonic() >= note_at or self._stopping.is_set():
                return self._noted(run)
        if run.is_more:
            return self._noted(replace(run, bucket=0, rounds=run.rounds + 1, is_more=False))
        return self._end(replace(run, state=RunState.DONE))

    def _held_back(self, run: Run, seconds: float) -> Run | None:
        """Waits, and keeps the lease meanwhile."""
        noted = self._noted(run)
        while noted and seconds > 0 and not self._stopping.wait(min(seconds, _LOOK_SECONDS)):
            seconds -= _LOOK_SECONDS
            noted = self._noted(run)
        return noted

    def _noted(self, run: Run) -> Run | None:
        since = time.monotonic()
        if not self._runs.note(self._name, run):
            return None
        self._leased_until = since + self._runs.lease_seconds
        self._progress.note(run, since)
        return run

    def _end(self, run: Run) -> Run | None:
        ended = replace(run, users=self._bulk.demoted_by(run.id))
        since = time.monotonic()
        if not self._runs.finish(self._name, ended):
            return None
        self._progress.note(ended, since)
        self._log.info("demotion ended", state=ended.state.value, users=ended.users)
        return ended
