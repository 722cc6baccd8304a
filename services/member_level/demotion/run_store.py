"""The plans and runs of demotions, in the store that all instances share.

There is one run at a time. Whichever instance holds the lease carries the run out and saves how
far it came, so that another instance can continue where a crashed one stopped.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from services.member_level.demotion.run import (
    Plan,
    Run,
    RunState,
    packed_details,
    packed_ended,
    packed_plan,
    packed_run,
    unpacked_plan,
    unpacked_run,
    with_details,
)
from services.store import deadline, keys
from services.store.compare_and_set import CompareAndSet
from services.store.scripts import NamedScript
from services.store.store import Store

PLAN_SECONDS = 86_400
LEASE_MILLISECONDS = 5_000
ENDED_KEPT = 100

_READ = """
local last = {}
if count > 0 then last = redis.call('LRANGE', ended, 0, count - 1) end
return { redis.call('GET', run) or '', redis.call('GET', details) or '', last }
"""
# `missing` is the run before, if a worker of an earlier release ended it: that one keeps no list.
_START = """
if (redis.call('GET', run) or '') ~= read then return 0 end
if missing ~= '' then
  redis.call('LPUSH', ended, missing)
  redis.call('LTRIM', ended, 0, most - 1)
end
redis.call('SET', run, state)
redis.call('SET', details, new_details)
return 1
"""
# A worker that lost its lease must not overwrite the progress that its successor saved.
_SAVE_PROGRESS = """
if redis.call('GET', lease) ~= worker then return false end
redis.call('PEXPIRE', lease, milliseconds)
redis.call('SET', run, state)
return redis.call('GET', details) or ''
"""
_FINISH = """
if redis.call('GET', lease) ~= worker then return 0 end
redis.call('SET', run, state)
redis.call('SET', details, new_details)
redis.call('LPUSH', ended, final)
redis.call('LTRIM', ended, 0, most - 1)
if new_plan ~= '' then redis.call('SET', plan, new_plan, 'EX', plan_seconds) end
return 1
"""
_ACQUIRE_LEASE = """
local holder = redis.call('GET', lease)
if holder and holder ~= worker then return 0 end
redis.call('SET', lease, worker, 'PX', milliseconds)
return 1
"""
_RELEASE_LEASE = "if redis.call('GET', lease) == worker then return redis.call('DEL', lease) end"


class RunStore:
    """Every method raises redis.RedisError if the store is not available."""

    def __init__(
        self,
        store: Store,
        lease_milliseconds: int = LEASE_MILLISECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._lease = lease_milliseconds
        self._now = now
        self._details = CompareAndSet(store)
        self._read = NamedScript(
            store, _READ, keys="run details ended", arguments="count:int", writes=False
        )
        self._start = NamedScript(
            store,
            _START,
            keys="run details ended",
            arguments="read state new_details missing most:int",
        )
        self._save_progress = NamedScript(
            store, _SAVE_PROGRESS, keys="lease run details", arguments="worker milliseconds state"
        )
        self._finish = NamedScript(
            store,
            _FINISH,
            keys="lease run details ended plan",
            arguments="worker state new_details final most:int new_plan plan_seconds:int",
        )
        self._acquire_lease = NamedScript(
            store, _ACQUIRE_LEASE, keys="lease", arguments="worker milliseconds"
        )
        self._release_lease = NamedScript(store, _RELEASE_LEASE, keys="lease", arguments="worker")
        self._keys = {
            "run": keys.DEMOTION,
            "details": keys.DEMOTION_DETAILS,
            "ended": keys.ENDED_DEMOTIONS,
        }

    @property
    def lease_seconds(self) -> float:
        """How long a worker holds the lease after it acquired it or saved its progress."""
        return self._lease / 1_000

    def create_plan(self, app: str, rule_version: int, now: float) -> Plan:
        """Creates a plan with an id that cannot be guessed."""
        plan = Plan(secrets.token_urlsafe(12), app, rule_version, int(now))
        self._store.set(keys.demotion_plan(plan.id), packed_plan(plan), ex=PLAN_SECONDS)
        return plan

    def get_plan(self, plan_id: str) -> Plan | None:
        packed = self._store.get(keys.demotion_plan(plan_id))
        return None if packed is None else unpacked_plan(packed)

    def current(self) -> Run | None:
        """The run in progress or, if there is none, the last one."""
        _, run, _ = self._found(0)
        return run

    def runs(self, most: int) -> Sequence[Run]:
        """The run in progress and the last ones that ended, newest first."""
        _, run, ended = self._found(min(most, ENDED_KEPT))
        if run is None or (ended and ended[0].id == run.id):
            return ended
        return [run, *ended][:most]

    def ended(self, run_id: str) -> Run | None:
        """The final state of a run; None if it has not ended or is no longer retained."""
        found = next((run for run in self.runs(ENDED_KEPT + 1) if run.id == run_id), None)
        if found is not None:
            return None if found.state is RunState.RUNNING else found
        plan = self.get_plan(run_id)
        return None if plan is None else plan.ended

    def start(self, run: Run) -> Run:
        """Records the run unless one is in progress; returns the one that is now in progress."""
        run = replace(run, started=self._milliseconds())
        while True:
            deadline.require_time_left()
            read, before, ended = self._found(1)
            if before is not None and before.state is RunState.RUNNING:
                return before
            is_missing = before is not None and [each.id for each in ended] != [before.id]
            if self._start(
                self._keys,
                read=read,
                state=packed_run(run),
                new_details=packed_details(run),
                missing=packed_ended(before) if before is not None and is_missing else b"",
                most=ENDED_KEPT,
            ):
                return run

    def stop(self, run_id: str, app: str) -> Run | None:
        """Asks the worker to end the run, unless it has ended or was asked before.

        Returns the run; None if it is neither in progress nor among the last ones that ended.
        """
        found: Run | None = None

        def decide(_details: bytes | None) -> bytes | None:
            nonlocal found
            # Read after the details, which change when a run starts or ends: if that happens
            # after this read, the details are not replaced and this is decided again.
            run = self.current()
            found = run if run is not None and run.id == run_id else None
            if found is None or found.state is not RunState.RUNNING or found.stopped_by is not None:
                return None
            found = replace(found, stopped_by=app)
            return packed_details(found)

        self._details.change(keys.DEMOTION_DETAILS, decide)
        if found is None:
            found = next((run for run in self.runs(ENDED_KEPT + 1) if run.id == run_id), None)
        return found

    def acquire_lease(self, worker: str) -> bool:
        """Acquires the lease; False if another worker holds it."""
        lease = keys.DEMOTION_LEASE
        return bool(self._acquire_lease(lease=lease, worker=worker, milliseconds=self._lease))

    def save_progress(self, worker: str, run: Run) -> Run | None:
        """Saves the state of the run and renews the lease; None if the lease was lost.

        Returns the run with `stopped_by` if it is to be stopped.
        """
        details = self._save_progress(
            self._keys,
            lease=keys.DEMOTION_LEASE,
            worker=worker,
            milliseconds=self._lease,
            state=packed_run(run),
        )
        return None if details is None else with_details(run, details)

    def finish(self, worker: str, run: Run) -> Run | None:
        """Saves the final state: as the last run, among those that ended, and in the run's plan.

        Returns the run with its end; None if the lease was lost.
        """
        run = replace(run, ended=self._milliseconds())
        plan = self.get_plan(run.id)
        finished = self._finish(
            self._keys,
            lease=keys.DEMOTION_LEASE,
            plan=keys.demotion_plan(run.id),
            worker=worker,
            state=packed_run(run),
            new_details=packed_details(run),
            final=packed_ended(run),
            most=ENDED_KEPT,
            new_plan=b"" if plan is None else packed_plan(replace(plan, ended=run)),
            plan_seconds=PLAN_SECONDS,
        )
        return run if finished else None

    def release_lease(self, worker: str) -> None:
        """Gives up the lease, so that the next worker does not have to wait until it expires."""
        self._release_lease(lease=keys.DEMOTION_LEASE, worker=worker)

    def _found(self, count: int) -> tuple[bytes, Run | None, Sequence[Run]]:
        """The document of the current run, the run, and the last ones that ended."""
        read, details, ended = self._read(self._keys, count=count)
        run = with_details(unpacked_run(read), details) if read else None
        return read, run, [unpacked_run(each) for each in ended]

    def _milliseconds(self) -> int:
        return int(self._now() * 1_000)


def new_run_id() -> str:
    """The id of a run without a plan."""
    return secrets.token_urlsafe(12)
