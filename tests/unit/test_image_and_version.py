"""What the image contains, and the version, which clients/python/levelgate/__init__.py defines."""

import os
import re
import subprocess
import sys

import pytest

from levelgate import __version__
from operations.local_stack.settings import ROOT
from services.runtime.telemetry import Telemetry
from services.suite import SUITE

PROGRAMS = {
    **{f"services.{service.name}": f"{service.name} {__version__}" for service in SUITE},
    "gateway": f"gateway {__version__}",
    "operations.local_stack": __version__,
    "operations.commands.apps": __version__,
    "operations.commands.archive": __version__,
    "operations.commands.demo": __version__,
    "operations.commands.members": __version__,
}
# A program that read this would refuse it.
WRONG_SETTINGS = {f"{service.name.upper()}_PORT": "wrong" for service in SUITE} | {
    "GATEWAY_PORT": "wrong",
    "REDIS_URL": "wrong",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_shows_its_version_without_reading_settings(program: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", program, "--version"],
        cwd=ROOT,
        env={**os.environ, **WRONG_SETTINGS},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown == f"{PROGRAMS[program]}\n"


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
