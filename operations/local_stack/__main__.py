"""Runs the whole of levelgate on this machine, in the foreground: `make run`.

The settings are environment variables: docs/settings.md.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from levelgate import __version__
from operations.commands.demo import Demo
from operations.commands.examples import examples
from operations.local_stack.components import (
    check_gateway,
    load_demo,
    services_and_gateway,
    store,
)
from operations.local_stack.preflight import StackError, check_ports, lock
from operations.local_stack.settings import HOST, Settings
from operations.local_stack.supervisor import START_SECONDS, Supervisor, show


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m operations.local_stack", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--reset", action="store_true", help="delete the data and the logs, and start nothing"
    )
    options = parser.parse_args(arguments)
    try:
        settings = Settings()
        with lock(settings.directory):
            return _reset(settings) if options.reset else _run(settings)
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        # Nothing was started yet: later the supervisor handles Ctrl-C.
        return 1


def _reset(settings: Settings) -> int:
    for path in (settings.data, settings.logs):
        shutil.rmtree(path, ignore_errors=True)
    print(f"Deleted the data and the logs in {settings.directory}.")
    return 0


def _run(settings: Settings) -> int:
    check_ports(settings.ports)
    summary = settings.directory / "stack.json"
    # A run that was killed may have left its file.
    summary.unlink(missing_ok=True)
    with Supervisor(settings.logs) as supervisor:
        if settings.has_own_store:
            supervisor.start(store(settings))
        patience = START_SECONDS if settings.has_own_store else 0
        demo = supervisor.until_ready(partial(load_demo, settings), patience)
        for component in services_and_gateway(settings):
            supervisor.start(component)
        supervisor.until_ready(partial(check_gateway, settings))
        _write(summary, _connections(settings, demo))
        for line in _banner(settings, demo):
            show(line)
        try:
            while True:
                supervisor.wait()
        finally:
            summary.unlink(missing_ok=True)
    return 0


def _write(path: Path, content: dict[str, object]) -> None:
    draft = path.with_suffix(".draft")
    # It holds a secret, so it must not be readable by others even for a moment.
    draft.touch(0o600)
    draft.write_text(json.dumps(content, indent=2))
    # Renamed when it is complete, because programs wait for the file to appear.
    draft.replace(path)


def _connections(settings: Settings, demo: Demo) -> dict[str, object]:
    """Tells programs where everything is."""
    return {
        "gateway": f"http://{HOST}:{settings.gateway.port}",
        "admin": f"http://{HOST}:{settings.gateway.admin_port}",
        "redis": settings.store_url,
        "grpc": {name: f"{HOST}:{each.port}" for name, each in settings.services.items()},
        "app": {"appid": demo.appid, "app_secret": demo.app_secret},
        "token": demo.token,
        "member_token": demo.member_token,
    }


def _banner(settings: Settings, demo: Demo) -> list[str]:
    gateway = f"http://{HOST}:{settings.gateway.port}"
    rows = {"gateway": f"{gateway}, admin http://{HOST}:{settings.gateway.admin_port}"}
    for name, each in settings.services.items():
        metrics = f"http://{HOST}:{each.metrics_port}/metrics"
        rows[name] = f"gRPC {HOST}:{each.port}, metrics {metrics}"
    rows["store"] = settings.store_url if settings.has_own_store else "yours (REDIS_URL)"
    rows["logs"] = str(settings.logs)
    secret = settings.directory / "stack.json"
    rows["console"] = f"{gateway}/console/ (app {demo.appid}, its app_secret is in {secret})"
    rows["API docs"] = f"{gateway}/docs/"
    rows["for programs"] = str(settings.directory / "stack.json")
    lines = [f"  {name:<13} {text}" for name, text in rows.items()]
    calls = examples(gateway, demo.token, demo.member_token)
    # The components warn as well, but their lines have scrolled away by now.
    return ["", *lines, "", *calls, "", "  Ctrl-C stops everything.", "", *settings.warnings]


if __name__ == "__main__":
    sys.exit(main())
