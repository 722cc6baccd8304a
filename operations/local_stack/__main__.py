"""Runs the whole of levelgate on this machine, in the foreground: `make run`.

The settings are environment variables: docs/settings.md.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from levelgate import __version__
from operations.commands.demo import Demo, prepare
from operations.commands.examples import examples
from operations.local_stack.components import stages, store_probe
from operations.local_stack.console import Console
from operations.local_stack.preflight import HOST, StackError, check_ports, locked
from operations.local_stack.settings import Settings
from operations.local_stack.supervisor import Supervisor


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m operations.local_stack", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--reset", action="store_true", help="delete the data and the logs, and start nothing"
    )
    options = parser.parse_args()
    try:
        settings = Settings()
        with locked(settings.stack.directory):
            return _reset(settings) if options.reset else _run(settings)
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        # Nothing was started yet: later the supervisor handles Ctrl-C.
        return 1


def _reset(settings: Settings) -> int:
    for name in ("valkey", "store", "logs"):
        shutil.rmtree(settings.stack.directory / name, ignore_errors=True)
    print(f"Deleted the data and the logs in {settings.stack.directory}.")
    return 0


def _run(settings: Settings) -> int:
    stack = settings.stack
    # A run that was killed may have left its file.
    stack.connection_file.unlink(missing_ok=True)
    check_ports(settings.ports)
    if stack.redis_url and (reason := store_probe(stack.redis_url)()):
        raise StackError(f"the store of REDIS_URL does not answer: {reason}")
    for warning in settings.warnings.values():
        print(f"stack: {warning}", file=sys.stderr)
    order = stages(settings)
    stack.logs.mkdir(exist_ok=True)
    console = Console([component.name for stage in order for component in stage])
    supervisor = Supervisor(
        stack.logs,
        console,
        start_seconds=stack.stack_start_seconds,
        stop_seconds=stack.stack_stop_seconds,
    )
    try:
        return supervisor.run(order, _serving(settings, console))
    finally:
        console.close()


@contextmanager
def _serving(settings: Settings, console: Console) -> Iterator[None]:
    """From the moment when everything is healthy until the stack stops."""
    demo = _load_demo(settings.stack.store_url)
    with _connection_file(settings, demo):
        console.show(_summary(settings, demo))
        yield


def _load_demo(store_url: str) -> Demo:
    try:
        return prepare(store_url)
    except Exception as error:
        raise StackError(f"the demo data could not be loaded: {error!r}") from error


@contextmanager
def _connection_file(settings: Settings, demo: Demo) -> Iterator[None]:
    """Tells programs where everything is, for as long as the stack runs."""
    content = {
        "gateway": f"http://{HOST}:{settings.gateway.port}",
        "admin": f"http://{HOST}:{settings.gateway.admin_port}",
        "redis": settings.stack.store_url,
        "grpc": {name: f"{HOST}:{each.port}" for name, each in settings.services.items()},
        "app": {"appid": demo.appid, "app_secret": demo.app_secret},
        "token": demo.token,
        "member_token": demo.member_token,
    }
    path = settings.stack.connection_file
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    # It holds a secret, so it must not be readable by others even for a moment.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    # Renamed when it is complete, because programs wait for the file to appear.
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _summary(settings: Settings, demo: Demo) -> str:
    stack, gateway = settings.stack, f"http://{HOST}:{settings.gateway.port}"
    rows = {"gateway": f"{gateway}, admin http://{HOST}:{settings.gateway.admin_port}"}
    for name, each in settings.services.items():
        metrics = f"http://{HOST}:{each.metrics_port}/metrics"
        rows[name] = f"gRPC {HOST}:{each.port}, metrics {metrics}"
    rows["store"] = "yours (REDIS_URL)" if stack.redis_url else stack.store_url
    rows["logs"] = str(stack.logs)
    rows["for programs"] = str(stack.connection_file)
    lines = [f"  {name:<13} {text}" for name, text in rows.items()]
    calls = examples(gateway, demo.token, demo.member_token)
    return "\n".join(["", *lines, "", *calls, "", "  Ctrl-C stops everything.", ""])


if __name__ == "__main__":
    sys.exit(main())
