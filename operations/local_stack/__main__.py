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
from operations.local_stack.components import probe_store, stages
from operations.local_stack.console import Console
from operations.local_stack.preflight import StackError, check_ports, lock
from operations.local_stack.settings import HOST, Settings, StackSettings
from operations.local_stack.supervisor import Supervisor
from services.runtime.misspelt import warn_of_misspelt


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m operations.local_stack", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--reset", action="store_true", help="delete the data and the logs, and start nothing"
    )
    options = parser.parse_args()
    try:
        settings = Settings()
        other = "" if options.reset else ", or set STACK_DIRECTORY and the ports"
        with lock(settings.directory, f"stop it first{other}"):
            return _reset(settings) if options.reset else _run(settings)
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        # Nothing was started yet: later the supervisor handles Ctrl-C.
        return 1


def _reset(settings: Settings) -> int:
    for name in ("valkey", "store", "logs"):
        shutil.rmtree(settings.directory / name, ignore_errors=True)
    print(f"Deleted the data and the logs in {settings.directory}.")
    return 0


def _run(settings: Settings) -> int:
    # A run that was killed may have left its file.
    (settings.directory / "stack.json").unlink(missing_ok=True)
    check_ports(settings.ports)
    url = settings.stack.redis_url
    if url and (reason := probe_store(url)):
        raise StackError(f"the store of REDIS_URL does not answer: {reason}")
    warn_of_misspelt("STACK_", StackSettings)
    order = stages(settings)
    settings.logs.mkdir(exist_ok=True)
    console = Console()
    try:
        return Supervisor(settings.logs, console).run(order, _serving(settings, console))
    finally:
        console.close()


@contextmanager
def _serving(settings: Settings, console: Console) -> Iterator[None]:
    """From the moment when everything is healthy until the stack stops."""
    try:
        demo = prepare(settings.store_url)
    except Exception as error:
        raise StackError(f"the demo data could not be loaded: {error!r}") from error
    path = settings.directory / "stack.json"
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    # It holds a secret, so it must not be readable by others even for a moment.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(_connections(settings, demo), file, indent=2)
    # Renamed when it is complete, because programs wait for the file to appear.
    draft.replace(path)
    console.show(_summary(settings, demo))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


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


def _summary(settings: Settings, demo: Demo) -> str:
    gateway = f"http://{HOST}:{settings.gateway.port}"
    rows = {"gateway": f"{gateway}, admin http://{HOST}:{settings.gateway.admin_port}"}
    for name, each in settings.services.items():
        metrics = f"http://{HOST}:{each.metrics_port}/metrics"
        rows[name] = f"gRPC {HOST}:{each.port}, metrics {metrics}"
    rows["store"] = "yours (REDIS_URL)" if settings.stack.redis_url else settings.store_url
    rows["logs"] = str(settings.logs)
    rows["for programs"] = str(settings.directory / "stack.json")
    lines = [f"  {name:<13} {text}" for name, text in rows.items()]
    calls = examples(gateway, demo.token, demo.member_token)
    return "\n".join(["", *lines, "", *calls, "", "  Ctrl-C stops everything.", ""])


if __name__ == "__main__":
    sys.exit(main())
