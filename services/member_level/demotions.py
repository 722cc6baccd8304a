"""Starting demotions and following them, for the calls that ask for one."""

import time
from collections.abc import Iterator

from services.member_level.demotion_driver import DemotionDriver
from services.member_level.demotion_runs import DemotionRuns, Run, RunState, new_run_id
from services.rules.rule_book import RuleBook

_LOOK_SECONDS = 0.1


class Demotions:
    """Starts runs and follows them; a driver drives them, in this instance or another."""

    def __init__(self, runs: DemotionRuns, rules: RuleBook, driver: DemotionDriver) -> None:
        self._runs = runs
        self._rules = rules
        self._driver = driver

    def run_to_the_end(self, app: str, seconds: float) -> None:
        """Starts a run or joins the one under way; returns when it is done or the time is up.

        A run that stopped because the rules changed is followed by one under the new rules.
        """
        until = time.monotonic() + seconds
        while True:
            book = self._rules.book()
            if not book.ladder.rules:
                return
            run = self.begin(Run(new_run_id(), app, book.version))
            for state in self.follow(run):
                run = state
                if time.monotonic() >= until:
                    return
            if run.state is not RunState.STOPPED:
                return

    def begin(self, run: Run) -> Run:
        """Records the run, unless one is under way; returns the one that is."""
        under_way = self._runs.start(run)
        self._driver.wake()
        return under_way

    def follow(self, run: Run) -> Iterator[Run]:
        """How the run stands, again and again, until it has ended."""
        while run.state is RunState.RUNNING:
            yield run
            time.sleep(_LOOK_SECONDS)
            found = self._runs.current()
            if found is None or found.id != run.id:
                # Another run has begun, so this one is over.
                plan = self._runs.planned(run.id)
                ended = None if plan is None else plan.ended
                yield ended or run
                return
            run = found
        yield run
