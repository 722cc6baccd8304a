"""A compose project of its own for a test: up, looked into, broken, and down without a trace."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from services.suite import SUITE
from tests.stack.waiting import free_ports, until

ROOT = Path(__file__).resolve().parents[2]
SERVICES = tuple(service.name for service in SUITE)
UP_SECONDS = 300.0


def instances_of(service: str) -> str:
    """The setting that says how many instances a service has."""
    return f"{service.upper()}_INSTANCES"


def compose_command() -> list[str]:
    """COMPOSE, docker-compose (v1), or docker compose (v2)."""
    if given := os.environ.get("COMPOSE"):
        return given.split()
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    return ["docker", "compose"]


def docker(*arguments: str, check: bool = True, seconds: float = 120) -> str:
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, timeout=seconds
    )
    assert not check or done.returncode == 0, f"docker {arguments}: {done.stdout}{done.stderr}"
    return (done.stdout + done.stderr).strip()


@dataclass
class Project:
    """What `docker-compose -p name` brings up."""

    name: str
    port: int
    settings: Mapping[str, str]
    files: tuple[Path, ...] = ()

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def command(self) -> list[str]:
        files = [word for file in self.files for word in ("-f", str(file))]
        return [*compose_command(), "-p", self.name, *files]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "GATEWAY_PORT": f"127.0.0.1:{self.port}", **self.settings}

    def compose(self, *arguments: str, check: bool = True, seconds: float = UP_SECONDS) -> str:
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        told = f"{done.stdout}\n{done.stderr}"
        assert not check or done.returncode == 0, f"compose {arguments}:\n{told}\n{self.logs()}"
        return done.stdout.strip()

    def up(self, *services: str) -> None:
        # What is tested is what stands here, not an image of yesterday.
        self.compose("build", "-q")
        self.compose("up", "-d", *services)

    def roll(self, *services: str, **settings: str) -> "subprocess.Popen[str]":
        """Starts operations/deployment/roll.bash, in a process group that a test can end."""
        return subprocess.Popen(
            [ROOT / "operations" / "deployment" / "roll.bash", *services],
            env={**self.environment, **settings, "COMPOSE": " ".join(self.command)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def make(self, target: str, arguments: str = "", **settings: str) -> tuple[int, str, str]:
        """Runs a command of the Makefile for this project: exit code, output, errors."""
        done = subprocess.run(
            ["make", "-s", target, f"ARGS={arguments}"],
            cwd=ROOT,
            env={**self.environment, **settings, "COMPOSE": " ".join(self.command)},
            capture_output=True,
            text=True,
            check=False,
            timeout=UP_SECONDS,
        )
        return done.returncode, done.stdout, done.stderr

    def containers(self, service: str) -> list[str]:
        """Ids: names differ between the versions of Compose."""
        return self.compose("ps", "-q", service).split()

    def container(self, service: str) -> str:
        (only,) = self.containers(service)
        return only

    def execute(self, service: str, *command: str, check: bool = True) -> str:
        return docker("exec", self.containers(service)[0], *command, check=check)

    def logs(self, *services: str) -> str:
        done = subprocess.run(
            [*self.command, "logs", "--no-color", "--tail", "400", *services],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    def health(self, container: str) -> str:
        state = inspected(container)["State"]
        return str(state.get("Health", {}).get("Status", state["Status"]))

    def address(self, service: str) -> str:
        """The IP address on the internal network, which the engine's own machine reaches."""
        networks = inspected(self.containers(service)[0])["NetworkSettings"]["Networks"]
        return str(networks[self.internal]["IPAddress"])

    @property
    def internal(self) -> str:
        return f"{self.name}_internal"

    def endpoints(self, service: str) -> dict[str, str]:
        """The instances that the gateway knows, with their health flags."""
        lines = (line.split("::") for line in self.admin_page("/clusters").splitlines())
        return {line[1]: line[3] for line in lines if line[0] == service and "health_flags" in line}

    def admin_page(self, path: str) -> str:
        """Of the gateway's Envoy; without one that answers it is no such page."""
        request = f"GET {path} HTTP/1.1\\r\\nHost: admin\\r\\nConnection: close\\r\\n\\r\\n"
        script = f'exec 3<>/dev/tcp/127.0.0.1/9901; printf "{request}" >&3; cat <&3'
        return self.execute("gateway", "bash", "-c", script, check=False)

    def has_present_configuration(self) -> bool:
        """Whether the gateway runs what was provisioned last."""
        version = self.execute("gateway", "cat", "/etc/levelgate/version", check=False)
        return f'"id": "{version}"' in self.admin_page("/server_info")

    def wait_until_chosen(self, service: str, count: int) -> None:
        """Until the gateway has this many instances to choose from."""

        def healthy() -> int:
            return list(self.endpoints(service).values()).count("healthy")

        until(lambda: healthy() == count, f"{count} of {service}", seconds=60)

    def wait_until_ready(self) -> None:
        """Until every container is healthy and the gateway has every instance."""
        for service in ("redis", *SERVICES, "gateway"):
            for container in self.containers(service):
                until(lambda c=container: self.health(c) == "healthy", service, seconds=90)  # type: ignore[misc]
        until(self.has_present_configuration, "the gateway's configuration", seconds=60)
        for service in SERVICES:
            self.wait_until_chosen(service, int(self.settings.get(instances_of(service), "1")))

    def kill_inside(self, container: str) -> None:
        """As a crash: `docker kill` would count as wanted, and nothing would restart it."""
        docker("exec", container, "sh", "-c", "kill -9 -1", check=False)

    def password(self) -> str:
        return self.execute("member_level", "cat", "/run/levelgate/redis_password")

    def store_url(self) -> str:
        return f"redis://levelgate:{self.password()}@{self.address('redis')}:6379/0"

    def down(self) -> None:
        self.compose("down", "-v", "--remove-orphans", "-t", "20", check=False)


def inspected(container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]
    return found


@contextmanager
def running_project(settings: Mapping[str, str], files: Sequence[Path] = ()) -> Iterator[Project]:
    """Brings the stack up; takes containers, networks and volumes down again, whatever happens."""
    (port,) = free_ports(1)
    name = f"levelgate-test-{uuid4().hex[:8]}"
    project = Project(name, port, settings, tuple(files))
    try:
        project.up()
        project.wait_until_ready()
        yield project
    finally:
        project.down()


def leftovers(name: str) -> list[str]:
    """Containers, networks and volumes that still carry the project's name."""
    label = f"label=com.docker.compose.project={name}"
    return [
        *docker("ps", "-aq", "--filter", label).split(),
        *docker("network", "ls", "-q", "--filter", label).split(),
        *docker("volume", "ls", "-q", "--filter", label).split(),
    ]
