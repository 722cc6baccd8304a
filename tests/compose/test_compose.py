"""The compose stack: permissions, networks, start order and the end."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.compose.project import SERVICES, Project, docker, inspected, leftovers, running_project
from tests.compose.running import as_stack
from tests.stack.waiting import until

COMPONENTS = ("redis", *SERVICES, "gateway")


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    with running_project({"DEMOTION_SCHEDULE": "every 1s"}) as running:
        yield running


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_container_has_only_the_rights_that_it_needs(project: Project, component: str) -> None:
    found = inspected(project.container(component))
    host = found["HostConfig"]
    assert found["Config"]["User"] not in {"", "0", "root"}
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] > 0
    assert host["NanoCpus"] > 0
    assert host["PidsLimit"] > 0
    assert found["State"]["Health"]["Status"] == "healthy"


def test_only_the_gateway_is_published(project: Project) -> None:
    published = {
        component: published_ports(project.container(component)) for component in COMPONENTS
    }
    assert published.pop("gateway") == ["8080/tcp"]
    assert not any(published.values())


def published_ports(container: str) -> list[str]:
    ports = inspected(container)["NetworkSettings"]["Ports"]
    return [port for port, published in ports.items() if published]


@pytest.mark.parametrize("component", ["redis", *SERVICES])
def test_a_service_has_no_way_to_the_internet(project: Project, component: str) -> None:
    networks = inspected(project.container(component))["NetworkSettings"]["Networks"]
    assert list(networks) == [project.internal]
    (network,) = json.loads(docker("network", "inspect", project.internal))
    assert network["Internal"]


def test_the_password_is_in_no_variable_and_no_log(project: Project) -> None:
    password = project.password().strip()
    assert len(password) > 30
    for component in (*COMPONENTS, "provision"):
        assert password not in docker("inspect", *project.compose("ps", "-q", component).split())
    assert password not in project.logs()


def test_the_store_refuses_callers_without_the_password(project: Project) -> None:
    answer = project.execute("redis", "redis-cli", "get", "lg:layout", check=False)
    assert "NOAUTH" in answer
    probe = ("redis-cli", "--no-auth-warning", "--user", "probe", "--pass", "x")
    assert "NOPERM" in project.execute("redis", *probe, "get", "lg:layout", check=False)
    user = ("redis-cli", "--no-auth-warning", "--user", "levelgate", "--pass", project.password())
    for command in ("config get dir", "flushall", "acl list", "set other 1"):
        assert "NOPERM" in project.execute("redis", *user, *command.split(), check=False)
    assert "rewriting" in project.execute("redis", *user, "bgrewriteaof")


def test_a_demotion_runs_on_the_schedule_of_the_setting(project: Project) -> None:
    # A demotion needs rules.
    stack = as_stack(project)
    until(lambda: "scheduled demotion" in project.logs("member_level"), "it has begun")
    stack.store.close()


def test_components_start_in_any_order_without_a_restart(project: Project) -> None:
    containers = {component: project.container(component) for component in COMPONENTS}
    for component in COMPONENTS:
        docker("stop", containers[component])
    for component in reversed(COMPONENTS):
        docker("start", containers[component])
    project.wait_until_ready()
    assert {inspected(each)["RestartCount"] for each in containers.values()} == {0}


def test_the_gateway_lets_a_request_in_progress_finish(project: Project) -> None:
    stack = as_stack(project)
    stack.store.close()
    gateway = project.container("gateway")
    body = b'{"openid":"3dfg4df","level":[1,3]}'
    head = (
        "POST /upbot/api/CheckUserXYLevel HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: {stack.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with (
        socket.create_connection(("127.0.0.1", project.port), timeout=20) as client,
        ThreadPoolExecutor() as pool,
    ):
        client.sendall(head.encode() + body[:5])
        stopping = pool.submit(docker, "stop", gateway)
        until(lambda: is_stopping(project), "/healthz says that it is stopping")
        client.sendall(body[5:])
        answer = client.recv(65_536)
        stopping.result()
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'{"ret":0,"msg":"","data":{"ok":true}}')
    assert inspected(gateway)["State"]["ExitCode"] == 0
    docker("start", gateway)
    project.wait_until_ready()


def is_stopping(project: Project) -> bool:
    try:
        return httpx.get(project.gateway + "/healthz").status_code == 503
    except httpx.TransportError:
        # It says so for one second, which may pass between two requests.
        return True


def test_all_components_stop_with_exit_code_0(project: Project) -> None:
    project.compose("stop")
    for component in COMPONENTS:
        (container,) = stopped(project, component)
        assert inspected(container)["State"]["ExitCode"] == 0, component
    project.compose("start")
    project.wait_until_ready()


def stopped(project: Project, component: str) -> list[str]:
    labels = (
        f"com.docker.compose.project={project.name}",
        f"com.docker.compose.service={component}",
    )
    filters = [word for label in labels for word in ("--filter", f"label={label}")]
    return docker("ps", "-aq", *filters).split()


def test_down_removes_everything(project: Project) -> None:
    """The last test of this module, because nothing is left of the project."""
    project.down()
    assert leftovers(project.name) == []
