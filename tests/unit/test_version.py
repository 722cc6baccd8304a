"""The version is defined once, in clients/python/levelgate/__init__.py."""

import subprocess
import sys

import pytest

from levelgate import __version__
from operations.local_stack.settings import ROOT
from services.runtime.telemetry import Telemetry

COMMANDS = (
    "gateway",
    "operations.local_stack",
    "operations.commands.apps",
    "operations.commands.archive",
    "operations.commands.demo",
    "operations.commands.members",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_the_version(command: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", command, "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown == f"{__version__}\n"


def test_the_image_has_the_version_as_a_label() -> None:
    label = f'LABEL org.opencontainers.image.version="{__version__}"\n'
    assert label in (ROOT / "Dockerfile").read_text()


def test_the_metrics_have_the_version() -> None:
    registry = Telemetry().registry
    assert registry.get_sample_value("levelgate_build_info", {"version": __version__}) == 1
