"""The plans and the current run of a demotion, in the store that all instances share.

There is one run at a time. Whichever instance holds the lease carries the run out and saves how
far it came, so that another instance can continue where a crashed one stopped.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from services.store import keys
from services.store.compare_and_set import CompareAndSet
from services.store.scripts import NamedScript
from services.store.store import Store

PLAN_SECONDS = 86_400
LEASE_MILLISECONDS = 5_000

# A worker that lost its lease must not overwrite the progress that its successor saved.
_SAVE_PROGRESS = """
if redis.call('GET', lease) ~= worker then return 0 end
redis.call('PEXPIRE', lease, milliseconds)
redis.call('SET', run, state)
return 1
"""
_ACQUIRE_LEASE = """
local holder = redis.call('GET', lease)
if holder and holder ~= worker then return 0 end
redis.call('SET', lease, worker, 'PX', milliseconds)
return 1
"""
_RELEASE_LEASE = "if redis.call('GET', lease) == worker then return redis.call('DEL', lease) end"


class RunState(StrEnum):
    """The state of a run."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """The rules changed during the run."""


@dataclass(frozen=True)
class Run:
    """A demotion of all members. A run with a plan has the plan's id."""

    id: str
    app: str
    rule_version: int
    state: RunState = RunState.RUNNING
    bucket: int = 0
    """The bucket at which a worker continues."""
    rounds: int = 0
    """How many times all buckets have been processed."""
    is_more: bool = False
    """Whether a bucket of this round had more members than one step processes."""
    users: int = 0
    """Members re-evaluated so far; exact once the run has ended."""


@dataclass(frozen=True)
class Plan:
    """The permission to run a demotion that was counted in advance."""

    id: str
    app: str
    rule_version: int
    created: int
    """Seconds since 1970."""
    ended: Run | None = None
    """The final state of its run."""


class RunStore:
    """Every method raises redis.RedisError if the store is not available."""

    def __init__(self, store: Store, lease_milliseconds: int = LEASE_MILLISECONDS) -> None:
        self._store = store
        self._lease = lease_milliseconds
        self._compare_and_set = CompareAndSet(store)
        self._save_progress = NamedScript(
            store, _SAVE_PROGRESS, keys="lease run", arguments="worker milliseconds state"
        )
        self._acquire_lease = NamedScript(
            store, _ACQUIRE_LEASE, keys="lease", arguments="worker milliseconds"
        )
        self._release_lease = NamedScript(store, _RELEASE_LEASE, keys="lease", arguments="worker")

    @property
    def lease_seconds(self) -> float:
        """How long a worker holds the lease after it acquired it or saved its progress."""
        return self._lease / 1_000

    def create_plan(self, app: str, rule_version: int, now: float) -> Plan:
        """Creates a plan with an id that cannot be guessed."""
        plan = Plan(secrets.token_urlsafe(12), app, rule_version, int(now))
        self._put_plan(plan)
        return plan

    def get_plan(self, plan_id: str) -> Plan | None:
        packed = self._store.get(keys.demotion_plan(plan_id))
        if packed is None:
            return None
        fields = json.loads(packed)
        ended = fields.pop("ended")
        return Plan(**fields, ended=None if ended is None else _run(ended))

    def current(self) -> Run | None:
        """The run in progress or, if there is none, the last one."""
        packed = self._store.get(keys.DEMOTION)
        return None if packed is None else _run(json.loads(packed))

    def start(self, run: Run) -> Run:
        """Records the run unless one is in progress; returns the one that is now in progress."""
        in_progress = run

        def decide(packed: bytes | None) -> bytes | None:
            nonlocal in_progress
            found = None if packed is None else _run(json.loads(packed))
            if found is not None and found.state is RunState.RUNNING:
                in_progress = found
                return None
            in_progress = run
            return _packed(run)

        self._compare_and_set.change(keys.DEMOTION, decide)
        return in_progress

    def acquire_lease(self, worker: str) -> bool:
        """Acquires the lease; False if another worker holds it."""
        lease = keys.DEMOTION_LEASE
        return bool(self._acquire_lease(lease=lease, worker=worker, milliseconds=self._lease))

    def save_progress(self, worker: str, run: Run) -> bool:
        """Saves the state of the run and renews the lease; False if the lease was lost."""
        saved = self._save_progress(
            lease=keys.DEMOTION_LEASE,
            run=keys.DEMOTION,
            worker=worker,
            milliseconds=self._lease,
            state=_packed(run),
        )
        return bool(saved)

    def finish(self, worker: str, run: Run) -> bool:
        """Saves the final state, also in the run's plan; False if the lease was lost."""
        plan = self.get_plan(run.id)
        if not self.save_progress(worker, run):
            return False
        if plan is not None:
            self._put_plan(replace(plan, ended=run))
        return True

    def release_lease(self, worker: str) -> None:
        """Gives up the lease, so that the next worker does not have to wait until it expires."""
        self._release_lease(lease=keys.DEMOTION_LEASE, worker=worker)

    def _put_plan(self, plan: Plan) -> None:
        document = json.dumps(asdict(plan))
        self._store.set(keys.demotion_plan(plan.id), document, ex=PLAN_SECONDS)


def new_run_id() -> str:
    """The id of a run without a plan."""
    return secrets.token_urlsafe(12)


def _packed(run: Run) -> bytes:
    return json.dumps(asdict(run)).encode()


def _run(fields: dict[str, object]) -> Run:
    build: Callable[..., Run] = Run
    return build(**{**fields, "state": RunState(str(fields["state"]))})
