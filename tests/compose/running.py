"""The compose stack in the shape that the contract's cases know."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from operations.commands.demo import prepare
from services.access.scopes import all_scopes
from services.store.client import connect
from services.store.settings import StoreSettings
from services.suite import SUITE
from tests.compose.project import ROOT, Project, running_project
from tests.support.running import RunningStack

PORTS = {service.name: service.port for service in SUITE}


@contextmanager
def running_compose(**settings: str) -> Iterator[RunningStack]:
    """Calls go through the published port; what only operators call, to the internal network."""
    with running_project(settings) as project:
        running = as_stack(project)
        yield running
        running.store.close()


def as_stack(project: Project) -> RunningStack:
    url = project.store_url()
    demo = prepare(url)
    running = RunningStack(
        gateway=project.gateway,
        admin="",
        redis=url,
        grpc={name: f"{project.address(name)}:{port}" for name, port in PORTS.items()},
        metrics={},
        appid=demo.appid,
        app_secret=demo.app_secret,
        token=demo.token,
        member_token=demo.member_token,
        directory=ROOT,
        store=connect(StoreSettings(url=SecretStr(url), timeout_seconds=5, connect_seconds=5)),
    )
    # The cases about tokens ask for more than 20 pairs, which ends the demo app's first one.
    running.token = running.token_with(" ".join(all_scopes()))
    return running
