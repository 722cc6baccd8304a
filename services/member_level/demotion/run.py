"""A demotion run and its plan, and their documents in the store.

Instances of the release before this one fail on a field that they do not know, so the documents
that they read keep their fields. What is new is in documents of its own. From this release on,
unknown fields are ignored.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum


class RunState(StrEnum):
    """The state of a run."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """The rules changed during the run, or an app stopped it."""


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
    rate: int | None = None
    """The most members to re-evaluate per second, besides the service's own limit."""
    started: int | None = None
    """Milliseconds since 1970, as is `ended`; None if an earlier release recorded the run."""
    ended: int | None = None
    stopped_by: str | None = None
    """The app that asked to stop the run; the worker then ends it."""


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


_DETAILS = {"rate", "started", "ended", "stopped_by"}


def packed_run(run: Run) -> bytes:
    """The document with the fields that earlier releases know."""
    return json.dumps(_earlier_fields(run)).encode()


def packed_details(run: Run) -> bytes:
    """The document with the other fields, and the id of the run to which they belong."""
    details = {name: value for name, value in asdict(run).items() if name in _DETAILS}
    return json.dumps({"id": run.id, **details}).encode()


def packed_ended(run: Run) -> bytes:
    """The document with all fields."""
    return json.dumps(asdict(run)).encode()


def unpacked_run(packed: bytes) -> Run:
    """Reads the documents of `packed_run` and `packed_ended`."""
    return _run(json.loads(packed))


def with_details(run: Run, packed: bytes | None) -> Run:
    """The run with its details; unchanged if the details belong to another run."""
    details = json.loads(packed) if packed else {}
    if details.get("id") != run.id:
        return run
    return replace(
        run,
        rate=details.get("rate"),
        started=details.get("started"),
        ended=details.get("ended"),
        stopped_by=details.get("stopped_by"),
    )


def packed_plan(plan: Plan) -> bytes:
    ended = None if plan.ended is None else _earlier_fields(plan.ended)
    return json.dumps({**asdict(plan), "ended": ended}).encode()


def unpacked_plan(packed: bytes) -> Plan:
    document = json.loads(packed)
    ended = document.pop("ended")
    build: Callable[..., Plan] = Plan
    return build(**_known(Plan, document), ended=None if ended is None else _run(ended))


def _earlier_fields(run: Run) -> Mapping[str, object]:
    return {name: value for name, value in asdict(run).items() if name not in _DETAILS}


def _run(document: Mapping[str, object]) -> Run:
    build: Callable[..., Run] = Run
    known = _known(Run, document)
    return build(**{**known, "state": RunState(str(known["state"]))})


def _known(kind: type[Run] | type[Plan], document: Mapping[str, object]) -> dict[str, object]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in document.items() if name in names}
