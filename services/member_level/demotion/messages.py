"""Converts runs of a demotion to messages."""

from levelgate.member.v1 import demotion_pb2 as pb
from services.member_level.demotion.run import Run, RunState
from services.member_level.messages import timestamp
from services.store.keys import Buckets

_STATES = {
    RunState.RUNNING: pb.RunDemotionResponse.STATE_RUNNING,
    RunState.DONE: pb.RunDemotionResponse.STATE_DONE,
    RunState.STOPPED: pb.RunDemotionResponse.STATE_STOPPED,
}


def progress_message(run: Run, buckets: Buckets) -> pb.RunDemotionResponse:
    percent = _percent(run, buckets) if run.state is RunState.RUNNING else 100
    return pb.RunDemotionResponse(state=_STATES[run.state], members=run.users, percent=percent)


def run_message(run: Run, buckets: Buckets) -> pb.DemotionRun:
    return pb.DemotionRun(
        run_id=run.id,
        state=_STATES[run.state],
        members=run.users,
        percent=_percent(run, buckets),
        rule_version=run.rule_version,
        started=None if run.started is None else timestamp(run.started),
        ended=None if run.ended is None else timestamp(run.ended),
        app=run.app,
        # A worker of the release before does not see the request, and brings the run to its end.
        stopped_by=None if run.state is RunState.DONE else run.stopped_by,
        rate=run.rate,
    )


def _percent(run: Run, buckets: Buckets) -> int:
    """In the first round the percentage follows the buckets; 100 is kept for the end."""
    if run.state is RunState.DONE:
        return 100
    return 99 if run.rounds else min(100 * run.bucket // buckets.count, 99)
