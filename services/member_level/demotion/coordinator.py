"""Starts demotion runs and follows them, for the calls and the schedule that request one."""

import math
import threading
import time
from collections.abc import Iterator

from services.member_level.demotion.progress import RunProgress
from services.member_level.demotion.run import Run, RunState
from services.member_level.demotion.run_store import new_run_id
from services.member_level.demotion.worker import DemotionWorker
from services.rules.rule_book import RuleBook
from services.runtime.call import Context


class Follower:
    """A call that follows a run until its caller leaves, its time is up or the service stops.

    The run itself continues in all three cases.
    """

    def __init__(
        self,
        context: Context,
        progress: RunProgress,
        stopping: threading.Event,
        seconds: float,
    ) -> None:
        self._progress = progress
        self._stopping = stopping
        self._until = time.monotonic() + seconds
        self.has_left = False
        if not context.add_callback(self._leave):
            self.has_left = True

    def is_finished(self) -> bool:
        return self.has_left or self._stopping.is_set() or time.monotonic() >= self._until

    def _leave(self) -> None:
        self.has_left = True
        self._progress.wake()


class DemotionCoordinator:
    """Starts and follows runs; the worker of this or another instance carries them out."""

    def __init__(
        self,
        progress: RunProgress,
        rules: RuleBook,
        worker: DemotionWorker,
        stopping: threading.Event,
    ) -> None:
        self._runs = progress.runs
        self._progress = progress
        self._rules = rules
        self._worker = worker
        self._stopping = stopping

    def follower(self, context: Context, seconds: float = math.inf) -> Follower:
        return Follower(context, self._progress, self._stopping, seconds)

    def run_to_completion(self, app: str, follower: Follower) -> None:
        """Starts a run, or joins the one in progress, and waits for its end or the follower's.

        If the run stops because the rules changed, another one is started under the new rules. If
        an app stopped it, none is.
        """
        while True:
            book = self._rules.book()
            if not book.ladder.rules:
                return
            run = self.start(Run(new_run_id(), app, book.version))
            for state in self.follow(run, follower):
                run = state
            is_outdated = run.state is RunState.STOPPED and run.stopped_by is None
            if not is_outdated or follower.is_finished():
                return

    def start(self, run: Run) -> Run:
        """Records the run unless one is in progress; returns the one that is now in progress."""
        in_progress = self._runs.start(run)
        self._worker.wake()
        return in_progress

    def follow(self, run: Run, follower: Follower) -> Iterator[Run]:
        """Yields the states of the run, beginning with the given one, until the run has ended or
        the follower is finished. A state may be yielded twice.
        """
        since = time.monotonic()
        yield run
        while run.state is RunState.RUNNING:
            found = self._progress.next(since, follower.is_finished)
            if found is None:
                return
            current, since = found
            if current is None or current.id != run.id:
                # Another run has begun, so this one has ended.
                yield self._runs.ended(run.id) or run
                return
            run = current
            yield run
