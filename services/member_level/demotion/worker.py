"""The background thread that carries out the demotion recorded in the store.

Every instance has one. It looks for a run whose lease is free, and processes the buckets one after
the other, a batch of members in each: no step occupies the store for long, and a bucket never
changes faster than the readers of its feed can follow.
"""

import threading
import time
import uuid
from dataclasses import replace

import redis
import structlog

from services.member_level.demotion.progress import RunProgress
from services.member_level.demotion.run import Run, RunState
from services.rules.rule_book import RuleBook
from services.store.batches import batched
from services.user_state.bulk import BATCH, DEMOTED_AT_A_TIME, BulkUsers

_POLL_SECONDS = 1.0
# How often progress is saved. If a worker dies, its successor repeats at most this much, and the
# repetition finds no member that is still to be demoted.
_SAVE_SECONDS = 0.25


class DemotionWorker:
    """`rate` limits how many members are re-evaluated per second; 0 means no limit.

    A run may have its own rate limit; the lower of both applies.
    """

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
        """Looks for a run now instead of at the next poll."""
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Waits until the thread has ended after `stopping` was set."""
        self._wake.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                run = self._runs.current()
                if run is not None and run.state is RunState.RUNNING and self._acquire_lease():
                    self._carry_out()
                    continue
            except redis.RedisError:
                # The store's health check reports the outage; the run continues afterwards.
                self._log.debug("demotion waits for the store")
            except Exception as error:
                self._log.error("demotion failed; it will be tried again", exc_info=error)
            self._wake.wait(_POLL_SECONDS)
            self._wake.clear()

    def _acquire_lease(self) -> bool:
        since = time.monotonic()
        if not self._runs.acquire_lease(self._name):
            return False
        self._leased_until = since + self._runs.lease_seconds
        return True

    def _carry_out(self) -> None:
        # Read again under the lease: the previous worker may have come further, or to the end.
        run = self._runs.current()
        try:
            while run is not None and run.state is RunState.RUNNING and not self._stopping.is_set():
                run = self._continue(run)
        finally:
            self._runs.release_lease(self._name)

    def _continue(self, run: Run) -> Run | None:
        """Works until progress has to be saved; None if another worker has taken over."""
        book = self._rules.book()
        if run.stopped_by is not None or book.version != run.rule_version:
            return self._end(replace(run, state=RunState.STOPPED))
        falling = book.demotion_thresholds
        save_at = time.monotonic() + _SAVE_SECONDS
        for buckets in batched(self._bulk.buckets.all()[run.bucket :], DEMOTED_AT_A_TIME):
            if time.monotonic() >= self._leased_until:
                # This process was paused: another one may be working by now, under other rules.
                return self._save(run)
            demoted = self._bulk.demote(buckets, book.thresholds, falling, run.id, run.app)
            members = sum(each.now for each in demoted)
            run = replace(
                run,
                bucket=buckets[-1].number + 1,
                users=run.users + members,
                is_more=run.is_more or any(each.now == BATCH for each in demoted),
            )
            if members and (rates := [rate for rate in (self._rate, run.rate) if rate]):
                return self._wait(run, members / min(rates))
            if time.monotonic() >= save_at or self._stopping.is_set():
                return self._save(run)
        if run.is_more:
            return self._save(replace(run, bucket=0, rounds=run.rounds + 1, is_more=False))
        return self._end(replace(run, state=RunState.DONE))

    def _wait(self, run: Run, seconds: float) -> Run | None:
        """Waits to respect the rate, and keeps the lease meanwhile."""
        saved = self._save(run)
        while saved is not None and saved.stopped_by is None and seconds > 0:
            if self._stopping.wait(min(seconds, _POLL_SECONDS)):
                break
            seconds -= _POLL_SECONDS
            saved = self._save(run)
        return saved

    def _save(self, run: Run) -> Run | None:
        since = time.monotonic()
        saved = self._runs.save_progress(self._name, run)
        if saved is None:
            return None
        self._leased_until = since + self._runs.lease_seconds
        self._progress.publish(saved, since)
        return saved

    def _end(self, run: Run) -> Run | None:
        # The buckets also count what a crashed worker did not save, but only for a day, and a run
        # with a low rate may take longer.
        ended = replace(run, users=max(run.users, self._bulk.demoted_by(run.id)))
        since = time.monotonic()
        finished = self._runs.finish(self._name, ended)
        if finished is None:
            return None
        self._progress.publish(finished, since)
        self._log.info("demotion ended", state=ended.state.value, users=ended.users)
        return finished
