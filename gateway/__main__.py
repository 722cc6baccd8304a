"""`python -m gateway`: renders the configuration and runs Envoy with it.

SIGTERM or SIGINT drains Envoy and stops it. A second signal kills it.
"""

import argparse
import socket
import sys
from pathlib import Path

from gateway.process import refusal, run
from gateway.render import render, web_directory
from gateway.settings import CommonSettings, GatewaySettings
from gateway.web_files import web_files, write
from levelgate import __version__
from services.runtime.misspelt import warn_of_misspelt
from services.runtime.settings import load


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    parser.add_argument("--version", action="version", version=f"gateway {__version__}")
    parser.add_argument("--render", action="store_true", help="print the configuration")
    parser.add_argument("--validate", action="store_true", help="let Envoy check the configuration")
    options = parser.parse_args()
    settings = load(GatewaySettings)
    if options.render:
        sys.stdout.write(render(settings))
        return 0
    config = _write(settings)
    if options.validate:
        if (why := refusal(config)) is not None:
            sys.exit(f"gateway: Envoy refuses {config}: {why}")
        sys.stdout.write("gateway: Envoy accepts the configuration\n")
        return 0
    warn_of_misspelt("GATEWAY_", GatewaySettings)
    _require_free_ports(settings)
    return run(settings, config)


def _write(settings: CommonSettings) -> Path:
    config = settings.run_dir / "envoy.yaml"
    try:
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        config.write_text(render(settings))
        if not settings.directory:
            write(web_files(), web_directory(settings))
    except OSError as error:
        sys.exit(f"wrong setting GATEWAY_RUN_DIR: {error}")
    return config


def _require_free_ports(settings: CommonSettings) -> None:
    """Reports a port in use in one line that names the setting; Envoy would print many lines."""
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


if __name__ == "__main__":
    sys.exit(main())
