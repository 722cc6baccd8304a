"""A fault is logged in a clear line, and the stack recovers once the cause is removed."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from levelgate.member.v1.member_level_pb2 import AddPointsRequest
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from services.store.keys import LAYOUT
from tests.compose.project import ROOT, Project, docker, inspected, running_project
from tests.compose.running import as_stack
from tests.drills.conftest import Drill
from tests.drills.load import BUSY
from tests.drills.writing import Writing
from tests.stack.waiting import until
from tests.support.running import RunningStack

FILES = (ROOT / "docker-compose.yml", Path(__file__).with_name("small_disk.yml"))
FULL = "Can't recover from AOF write error"
UNREADABLE = "Unable to parse proto descriptor"
CHECK = {"openid": "3dfg4df", "level": [1, 3]}


def check(stack: RunningStack) -> httpx.Response:
    url = stack.gateway + "/upbot/api/CheckUserXYLevel"
    try:
        return httpx.post(url, json=CHECK, headers={"authorization": stack.token}, timeout=5)
    except httpx.TransportError:
        return httpx.Response(0)


def is_good(stack: RunningStack) -> bool:
    return check(stack).status_code == 200


@pytest.fixture
def small() -> Iterator[Project]:
    with running_project({"DEMOTION_SCHEDULE": ""}, FILES) as project:
        yield project


def test_a_full_disk(small: Project, drill: Drill) -> None:
    """The store's disk is full during writes, and is freed again"""
    stack = as_stack(small)
    target = stack.gateway.removeprefix("http://")
    redis = small.container("redis")
    restarts = inspected(redis)["RestartCount"]
    with Writing(target, stack.token) as wrote:
        until(lambda: wrote.count > 200, "writes are in progress", seconds=60)
        fill = "dd if=/dev/zero of=/data/filler bs=4k; ls -l /data/filler"
        small.execute("filler", "sh", "-c", fill, check=False)
        until(lambda: FULL in small.logs("redis"), "the store logs the reason", seconds=60)
        refused = refusal(target, stack.token)
        until(lambda: check(stack).text in BUSY or not is_good(stack), "JSON callers get an error")
        small.execute("filler", "rm", "/data/filler")
        before = wrote.count
        until(lambda: wrote.count > before + 100, "writes continue", seconds=90)
    lost = wrote.lost()
    line = next(each for each in small.logs("redis").splitlines() if FULL in each)
    drill.shows(
        line_in_the_log=line.partition("# ")[2],
        refusal_of_a_write=refused,
        restarts_of_the_store=inspected(redis)["RestartCount"] - restarts,
        acknowledged=wrote.count,
        acknowledged_and_lost=lost,
    )
    assert refused == "UNAVAILABLE"
    assert lost == 0


def refusal(target: str, token: str) -> str:
    """The status of a write that is refused; the first ones may still succeed."""
    found = ""

    def is_refused() -> bool:
        nonlocal found
        request = AddPointsRequest(user_id="42", delta=1, bill_no="x" * 64)
        with grpc.insecure_channel(target) as channel:
            try:
                metadata = (("authorization", token),)
                MemberLevelStub(channel).AddPoints(request, timeout=5, metadata=metadata)
            except grpc.RpcError as error:
                found = error.code().name
        return bool(found)

    until(is_refused, "a write is refused", seconds=60)
    return found


def write_into(project: Project, volume: str, script: str) -> None:
    """Writes as root from outside, as an operator might by mistake."""
    name = f"{project.name}_{volume}"
    docker("run", "--rm", "-u", "0", "-v", f"{name}:/v", "redis:8-alpine", "sh", "-c", script)


def provision(duo: Project) -> None:
    duo.compose("up", "-d", "--no-deps", "--force-recreate", "provision")


def test_a_wrong_descriptor(duo: Project, stack: RunningStack, drill: Drill) -> None:
    """The gateway's descriptor set is broken, and is provisioned again"""
    gateway = duo.container("gateway")
    write_into(duo, "gateway_settings", "echo broken > /v/levelgate.binpb")
    docker("restart", gateway)
    until(lambda: UNREADABLE in docker("logs", gateway), "the reason is in the log")
    line = next(each for each in docker("logs", gateway).splitlines() if UNREADABLE in each)
    assert not is_good(stack)
    provision(duo)
    until(lambda: is_good(stack), "it serves again", seconds=90)
    drill.shows(line_in_the_log=line)


WRONG_SECRETS = {
    "echo wrong > /v/redis_password": "it refuses REDIS_URL's user or the password",
    "chmod 000 /v/redis_password": "Permission denied",
    ": > /v/redis_password": "the file is empty",
}


def test_a_wrong_secret(duo: Project, stack: RunningStack, drill: Drill) -> None:
    """The file with the store's password is wrong, unreadable or empty, and is repaired"""
    password = duo.password().strip()
    service = duo.containers("shop_level")[0]
    lines = []
    try:
        for break_it, why in WRONG_SECRETS.items():
            write_into(duo, "secrets", f"chmod 600 /v/redis_password; {break_it}")
            docker("restart", service)
            until(lambda why=why: why in last_lines(service), why, seconds=60)  # type: ignore[misc]
            lines += [line for line in last_lines(service).splitlines() if why in line][:1]
            # The other instance still has its connections.
            assert is_good(stack)
    finally:
        write_into(
            duo,
            "secrets",
            f"chmod 600 /v/redis_password; echo '{password}' > /v/redis_password;"
            " chown 10001:10001 /v/redis_password; chmod 400 /v/redis_password",
        )
    duo.wait_until_ready()
    drill.shows(lines_in_the_log=lines, repaired="without operator action on the service")
    assert password not in duo.logs()


def last_lines(container: str) -> str:
    return docker("logs", "--tail", "50", container)


def test_a_store_of_another_format(duo: Project, stack: RunningStack, drill: Drill) -> None:
    """Services find data of another format and refuse to serve"""
    service = duo.containers("member_level")[0]
    mark = stack.store.get(LAYOUT)
    assert mark is not None
    stack.store.set(LAYOUT, json.dumps({**json.loads(mark), "format": 99}))
    docker("restart", service)
    try:
        until(
            lambda: "refusing to serve" in docker("logs", service),
            "the reason is in the log",
            seconds=60,
        )
        lines = docker("logs", service).splitlines()
        line = next(each for each in lines if "refusing to serve" in each)
        # Every service reads the mark with each probe, so none of them writes to such a store.
        until(lambda: not is_good(stack), "no service answers", seconds=60)
    finally:
        stack.store.set(LAYOUT, mark)
    duo.wait_until_ready()
    drill.shows(line_in_the_log=line)
    assert "99" in line
