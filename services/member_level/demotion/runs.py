"""Plans and runs of demotions in the store: what every instance knows of them.

There is one run at a time. It belongs to the suite: whichever instance holds the lease drives it,
and notes how far it came, so that another one goes on where a dead one stopped.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from services.store import keys
from services.store.compare_and_set import CompareAndSet
from services.store.store import Store

PLAN_SECONDS = 86_400
LEASE_MILLISECONDS = 5_000

# KEYS: the lease, the run. ARGV: the driver, the lease's milliseconds, the run as it stands now.
# A driver that lost its lease must not write over what its successor noted.
_NOTE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
return 1
"""
_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


class RunState(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """The rules changed meanwhile."""


@dataclass(frozen=True)
class Run:
    """A demotion of all users. `id` is that of its plan, where it has one."""

    id: str
    app: str
    rule_version: int
    state: RunState = RunState.RUNNING
    bucket: int = 0
    """Where a driver goes on."""
    rounds: int = 0
    """How often all buckets were gone through."""
    is_more: bool = False
    """Whether a bucket of this round had more users than one step takes."""
    users: int = 0
    """Users re-fitted so far; exact once the run has ended."""


@dataclass(frozen=True)
class Plan:
    """What a run would do, as it was when it was planned."""

    id: str
    app: str
    rule_version: int
    created: int
    """Seconds since 1970."""
    ended: Run | None = None
    """How its run ended."""


class DemotionRuns:
    """Every method raises redis.RedisError where the store does not serve."""

    def __init__(self, store: Store, lease_milliseconds: int = LEASE_MILLISECONDS) -> None:
        self._store = store
        self._lease = lease_milliseconds
        self._compare_and_set = CompareAndSet(store)
        self._note = store.register_script(_NOTE)
        self._take = store.register_script(_TAKE)
        self._release = store.register_script(_RELEASE)

    @property
    def lease_seconds(self) -> float:
        """How long a driver has the lease after it took it or noted how far it came."""
        return self._lease / 1_000

    def plan(self, app: str, rule_version: int, now: float) -> Plan:
        """Makes a plan under an id that nobody can guess."""
        plan = Plan(secrets.token_urlsafe(12), app, rule_version, int(now))
        self._put(plan)
        return plan

    def planned(self, plan_id: str) -> Plan | None:
        packed = self._store.get(keys.demotion_plan(plan_id))
        if packed is None:
            return None
        fields = json.loads(packed)
        ended = fields.pop("ended")
        return Plan(**fields, ended=None if ended is None else _run(ended))

    def current(self) -> Run | None:
        """The run under way, or the last one."""
        packed = self._store.get(keys.DEMOTION)
        return None if packed is None else _run(json.loads(packed))

    def start(self, run: Run) -> Run:
        """Records the run, unless one is under way; returns the one that is then under way."""
        under_way = run

        def decide(packed: bytes | None) -> bytes | None:
            nonlocal under_way
            found = None if packed is None else _run(json.loads(packed))
            is_under_way = found is not None and found.state is RunState.RUNNING
            under_way = found if found is not None and is_under_way else run
            return None if is_under_way else _packed(run)

        self._compare_and_set.change(keys.DEMOTION, decide)
        return under_way

    def take(self, driver: str) -> bool:
        """Takes the lease, if nobody else holds it."""
        return bool(self._take([keys.DEMOTION_DRIVER], [driver, self._lease]))

    def note(self, driver: str, run: Run) -> bool:
        """Notes how far the run came, and keeps the lease; False if it was lost."""
        names = [keys.DEMOTION_DRIVER, keys.DEMOTION]
        return bool(self._note(names, [driver, self._lease, _packed(run)]))

    def finish(self, driver: str, run: Run) -> bool:
        """Notes how the run ended, with its plan too; False if the lease was lost."""
        plan = self.planned(run.id)
        if not self.note(driver, run):
            return False
        if plan is not None:
            self._put(replace(plan, ended=run))
        return True

    def release(self, driver: str) -> None:
        """Gives the lease back, so that nobody has to wait for its end."""
        self._release([keys.DEMOTION_DRIVER], [driver])

    def _put(self, plan: Plan) -> None:
        document = json.dumps(asdict(plan))
        self._store.set(keys.demotion_plan(plan.id), document, ex=PLAN_SECONDS)


def new_run_id() -> str:
    """For a run without a plan."""
    return secrets.token_urlsafe(12)


def _packed(run: Run) -> bytes:
    return json.dumps(asdict(run)).encode()


def _run(fields: dict[str, object]) -> Run:
    build: Callable[..., Run] = Run
    return build(**{**fields, "state": RunState(str(fields["state"]))})
