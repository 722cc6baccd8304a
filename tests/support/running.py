"""Starts the whole suite as `make run` starts it, for tests that call it from outside."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import redis
from pydantic import SecretStr

from services.access.apps import Apps
from services.access.scopes import all_scopes
from services.access.tokens import Tokens
from services.store.client import connect
from services.store.settings import StoreSettings
from services.store.store import Store
from services.suite import SUITE
from tests.stack.waiting import free_ports
from tests.support.demo_data import restore

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 30.0

PORTS = (
    "GATEWAY_PORT",
    "GATEWAY_ADMIN_PORT",
    "REDIS_PORT",
    *(f"{service.name.upper()}_PORT" for service in SUITE),
    *(f"{service.name.upper()}_METRICS_PORT" for service in SUITE),
)


@dataclass
class RunningStack:
    """The contents of `.run/stack.json` of a running suite; can put the demo data back."""

    gateway: str
    admin: str
    redis: str
    grpc: dict[str, str]
    metrics: dict[str, str]
    appid: str
    app_secret: str
    token: str
    member_token: str
    directory: Path
    store: Store
    _tokens: dict[str, str] = field(default_factory=dict)
    _writes_at_reset: int | None = None

    def reset(self) -> None:
        """Puts the demo data back, unless nothing was written since. Tokens stay valid."""
        if self._writes_at_reset is not None and self._writes() == self._writes_at_reset:
            return
        restore(self.store)
        self._writes_at_reset = self._writes()

    def _writes(self) -> int | None:
        """How many changes the store has made; None in containers, where INFO is not allowed."""
        try:
            info = self.store.eval("return redis.call('INFO', 'persistence')", 0)
        except redis.ResponseError:
            return None
        found = re.search(rb"rdb_changes_since_last_save:(\d+)", info)
        return int(found[1]) if found else None

    def token_with(self, scopes: str) -> str:
        """An access token of an app with only these scopes."""
        if scopes not in self._tokens:
            apps = Apps(self.store)
            appid = f"only-{uuid4()}"
            apps.create(appid, scopes.split())
            app = apps.get(appid)
            assert app is not None
            pair = Tokens(self.store).issue(app)
            assert pair is not None
            self._tokens[scopes] = pair.access_token
        return self._tokens[scopes]


@contextmanager
def running_stack(directory: Path, **settings: str) -> Iterator[RunningStack]:
    """Starts the suite on free ports with its data in `directory`, and drains it at the end."""
    ports = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    environment = {**os.environ, **ports, **settings, "STACK_DIRECTORY": str(directory)}
    log = directory / "stack.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "operations.local_stack"],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        summary = _wait_for_summary(directory / "stack.json", process, log)
        yield _running(directory, summary, ports)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)


def _wait_for_summary(
    path: Path, process: "subprocess.Popen[bytes]", log: Path
) -> Mapping[str, object]:
    deadline = time.monotonic() + START_SECONDS
    while not path.exists():
        assert process.poll() is None, f"the stack ended:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"the stack did not start:\n{log.read_text()}"
        time.sleep(0.05)
    summary = json.loads(path.read_text())
    assert isinstance(summary, dict)
    return summary


def _running(
    directory: Path, summary: Mapping[str, object], ports: Mapping[str, str]
) -> RunningStack:
    app, grpc = summary["app"], summary["grpc"]
    assert isinstance(app, dict)
    assert isinstance(grpc, dict)
    metrics = {name: f"http://127.0.0.1:{ports[f'{name.upper()}_METRICS_PORT']}" for name in grpc}
    running = RunningStack(
        gateway=str(summary["gateway"]),
        admin=str(summary["admin"]),
        redis=str(summary["redis"]),
        grpc=grpc,
        metrics=metrics,
        appid=app["appid"],
        app_secret=app["app_secret"],
        token=str(summary["token"]),
        member_token=str(summary["member_token"]),
        directory=directory,
        store=connect(StoreSettings(url=SecretStr(str(summary["redis"])))),
    )
    # The cases about tokens ask for more than 20 pairs, which ends the first pair of the demo app.
    running.token = running.token_with(" ".join(all_scopes()))
    return running
