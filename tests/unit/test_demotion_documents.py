"""The documents of runs: earlier releases read what this one writes, and the reverse."""

import json
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

# What the release before wrote. It failed on any field that is not here.
EARLIER = {
    "id": "r",
    "app": "billing",
    "rule_version": 3,
    "state": "running",
    "bucket": 17,
    "rounds": 1,
    "is_more": True,
    "users": 9,
}
EARLIER_PLAN = {"id": "r", "app": "billing", "rule_version": 3, "created": 5, "ended": EARLIER}
BARE = Run("r", "billing", 3, RunState.RUNNING, 17, 1, is_more=True, users=9)
FULL = replace(BARE, rate=50, started=1_000, ended=2_000, stopped_by="")


def test_a_run_of_the_release_before_is_read() -> None:
    assert unpacked_run(json.dumps(EARLIER).encode()) == BARE
    assert with_details(BARE, None) == BARE
    plan = unpacked_plan(json.dumps(EARLIER_PLAN).encode())
    assert plan == Plan("r", "billing", 3, 5, BARE)


def test_the_release_before_can_read_the_run_and_the_plan() -> None:
    assert json.loads(packed_run(FULL)) == EARLIER
    assert json.loads(packed_plan(Plan("r", "billing", 3, 5, FULL))) == EARLIER_PLAN
    without_end = json.loads(packed_plan(Plan("r", "billing", 3, 5)))
    assert without_end == {**EARLIER_PLAN, "ended": None}


def test_a_run_is_read_with_its_details() -> None:
    assert with_details(unpacked_run(packed_run(FULL)), packed_details(FULL)) == FULL
    assert unpacked_run(packed_ended(FULL)) == FULL


def test_details_of_another_run_are_ignored() -> None:
    """An instance of the release before started a run, and so left the details as they were."""
    assert with_details(BARE, packed_details(replace(FULL, id="before"))) == BARE


def test_fields_of_a_later_release_are_ignored() -> None:
    assert unpacked_run(json.dumps({**EARLIER, "later": 1}).encode()) == BARE
    plan = unpacked_plan(json.dumps({**EARLIER_PLAN, "later": 1}).encode())
    assert plan.ended == BARE
