"""What a running stack tells: stack.json for programs, the banner for people."""

import json
import os
from pathlib import Path

from operations.commands.demo import Demo
from operations.commands.examples import examples
from operations.local_stack.preflight import HOST
from operations.local_stack.settings import StackSettings


def write_summary(path: Path, settings: StackSettings, demo: Demo) -> None:
    """Complete or not there: a reader that waits for the file must not find half of it."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    # It holds a secret, and must not be open to others for even a moment.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(_summary(settings, demo), file, indent=2)
        file.write("\n")
    draft.replace(path)


def _summary(settings: StackSettings, demo: Demo) -> dict[str, object]:
    return {
        "gateway": f"http://{HOST}:{settings.gateway_port}",
        "admin": f"http://{HOST}:{settings.gateway_admin_port}",
        "redis": settings.store_url,
        "grpc": {name: f"{HOST}:{port}" for name, port in settings.service_ports.items()},
        "app": {"appid": demo.appid, "app_secret": demo.app_secret},
        "token": demo.token,
        "member_token": demo.member_token,
    }


def banner(settings: StackSettings, demo: Demo, summary: Path, logs: Path) -> str:
    gateway = f"http://{HOST}:{settings.gateway_port}"
    ports = settings.ports
    store = "yours (REDIS_URL)" if settings.redis_url else settings.store_url
    services = [
        f"  {name:<13} gRPC {HOST}:{port}, metrics "
        f"http://{HOST}:{ports[f'{name.upper()}_METRICS_PORT']}/metrics"
        for name, port in settings.service_ports.items()
    ]
    return "\n".join(
        [
            "",
            f"  {'gateway':<13} {gateway}, admin http://{HOST}:{settings.gateway_admin_port}",
            *services,
            f"  {'store':<13} {store}",
            f"  {'logs':<13} {logs}",
            f"  {'for programs':<13} {summary}",
            "",
            *examples(gateway, demo.token, demo.member_token),
            "",
            "  Ctrl-C stops everything.",
            "",
        ]
    )
