"""Planned restarts and crashes."""

import time

import pytest

from tests.compose.project import SERVICES, Project
from tests.drills.conftest import Drill, whys
from tests.drills.load import Load
from tests.stack.waiting import until
from tests.support.running import RunningStack


def test_rolling_restart_of_every_service(duo: Project, stack: RunningStack, drill: Drill) -> None:
    """Rolling restart of every service under 100 requests/s"""
    with Load(stack.gateway, stack.token) as load:
        roll = duo.roll(*SERVICES)
        replaced, complaint = roll.communicate(timeout=300)
    drill.shows(**load.figures(), replaced=replaced.split("\n")[:-1])
    assert roll.returncode == 0, complaint
    assert load.unexplained == []
    assert load.is_on_time()


@pytest.mark.parametrize("service", SERVICES)
def test_sigkill_of_one_of_two_instances(
    duo: Project, stack: RunningStack, drill: Drill, service: str
) -> None:
    """SIGKILL of one of two instances under 100 requests/s"""
    with Load(stack.gateway, stack.token) as load:
        until(lambda: len(load.outcomes) > 200, "the load runs")
        killed = time.monotonic()
        duo.kill_inside(duo.containers(service)[0])
        # The kernel closes the sockets of a killed process last: on a busy machine a call still
        # reached it 10 ms later.
        dead = time.monotonic() + 0.1
        duo.wait_until_ready()
        until(lambda: len(load.since(killed)) > 500, "the load continued")
    # Only calls that were in progress when the instance died may fail.
    in_flight = [each for each in load.failures if each.began <= dead and each.ended >= killed]
    last = max((each.ended for each in load.failures), default=killed)
    drill.shows(
        **load.figures(),
        in_flight_failed=len(in_flight),
        failed_later=len(load.failures) - len(in_flight),
        seconds_until_the_last_failure=round(last - killed, 2),
        log_of_the_gateway=whys(duo),
    )
    assert [each for each in load.unexplained if each not in in_flight] == []
    assert last - killed < 2 + load.stall
