"""Starting demotions and following them, for the calls that ask for one."""

import math
import threading
import time
from collections.abc import Iterator

from services.member_level.demotion.driver import DemotionDriver
from services.member_level.demotion.progress import RunProgress
from services.member_level.demotion.runs import Run, RunState, new_run_id
from services.rules.rule_book import RuleBook
from services.runtime.call import Context


class Follower:
    """A call that follows a run: it is over when its caller has left, its time is up, or the
    service stops. The run goes on all the same.
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

    def is_over(self) -> bool:
        return self.has_left or self._stopping.is_set() or time.monotonic() >= self._until

    def _leave(self) -> None:
        self.has_left = True
        self._progress.wake()


class Demotions:
    """Starts runs and follows them; a driver drives them, in this instance or another."""

    def __init__(
        self,
        progress: RunProgress,
        rules: RuleBook,
        driver: DemotionDriver,
        stopping: threading.Event,
    ) -> None:
        self._runs = progress.runs
        self._progress = progress
        self._rules = rules
        self._driver = driver
        self._stopping = stopping

    def follower(self, context: Context, seconds: float = math.inf) -> Follower:
        return Follower(context, self._progress, self._stopping, seconds)

    def run_to_the_end(self, app: str, follower: Follower) -> None:
        """Starts a run or joins the one under way; returns when it is done or the follower over.

        A run that stopped because the rules changed is followed by one under the new rules.
        """
        while True:
            book = self._rules.book()
            if not book.ladder.rules:
                return
            run = self.begin(Run(new_run_id(), app, book.version))
            for state in self.follow(run, follower):
                run = state
            if run.state is not RunState.STOPPED or follower.is_over():
                return

    def begin(self, run: Run) -> Run:
        """Records the run, unless one is under way; returns the one that is."""
        under_way = self._runs.start(run)
        self._driver.wake()
        return under_way

    def follow(self, run: Run, follower: Follower) -> Iterator[Run]:
        """The states of the run, beginning with this one, until it has ended or the follower is
        over. Some of them come twice.
        """
        since = time.monotonic()
        yield run
        while run.state is RunState.RUNNING:
            found = self._progress.next(since, follower.is_over)
            if found is None:
                return
            current, since = found
            if current is None or current.id != run.id:
                # Another run has begun, so this one is over.
                plan = self._runs.planned(run.id)
                ended = None if plan is None else plan.ended
                yield ended or run
                return
            run = current
            yield run
