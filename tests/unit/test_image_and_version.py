"""What the image contains, and the version, which clients/python/levelgate/__init__.py defines."""

import re
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


def test_the_image_lacks_nothing_that_its_modules_import() -> None:
    copied = re.findall(r"^COPY (\w[\w/]*) ", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert "operations/commands" in copied
    assert not {"operations", "operations/local_stack", "tests", "tools", "bench"} & set(copied)
    missing = re.compile(
        r"^(from|import) (operations\.local_stack|tests|tools|bench)\b", re.MULTILINE
    )
    for folder in copied:
        for path in (ROOT / folder).rglob("*.py"):
            assert missing.search(path.read_text()) is None, path


def test_the_metrics_have_the_version() -> None:
    registry = Telemetry().registry
    assert registry.get_sample_value("levelgate_build_info", {"version": __version__}) == 1
