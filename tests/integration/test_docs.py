"""The examples in README.md and docs/ work as written, and the commands that they name exist."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from tests.support.running import ROOT, RunningStack

PAGES = {
    page.name: page.read_text() for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
}
# The language and text of an example, and the reply that follows it.
BLOCK = re.compile(
    r"^```(sh|python)\n(.*?)^```\n(?:```(json|text)\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL
)
ASSIGNMENT = re.compile(r"^([A-Z]+)=", re.MULTILINE)
VARIABLES = "variables"
# The tests may run outside the virtual environment of the checkout.
SHELL = f"""make() {{ python -m "operations.commands.$1" ${{2#ARGS=}}; }}
python() {{ {sys.executable} "$@"; }}
python3() {{ python "$@"; }}
"""


@pytest.fixture
def directory(stack: RunningStack, tmp_path: Path) -> Path:
    """A directory that looks like a checkout in which `make run` is running."""
    stack.reset()
    summary = {
        "gateway": stack.gateway,
        "redis": stack.redis,
        "grpc": stack.grpc,
        "token": stack.token,
        "app": {"appid": stack.appid, "app_secret": stack.app_secret},
    }
    (tmp_path / ".run").mkdir()
    (tmp_path / ".run" / "stack.json").write_text(json.dumps(summary))
    return tmp_path


def run(directory: Path, language: str, text: str) -> str:
    command = ["bash", "-euo", "pipefail", "-c", SHELL + text]
    if language == "python":
        command = [sys.executable, "-c", text]
    path = f"{ROOT}:{ROOT / 'clients' / 'python'}"
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def without_varying_values(reply: str) -> object:
    """Versions rise with each loading of the demo data; tokens, ids and apps differ, like times."""
    names = "version|previousVersion|access_token|refresh_token|planId|runId|app"
    names += "|created|changed|time|started|ended"
    varies = rf'"({names})":\s*"[^"]+"'
    return json.loads(re.sub(varies, r'"\1":""', reply))


@pytest.mark.parametrize(
    "page", [page for page, text in sorted(PAGES.items()) if BLOCK.search(text)]
)
def test_examples_do_what_the_page_says(page: str, stack: RunningStack, directory: Path) -> None:
    names = {"IFS"}
    (directory / VARIABLES).touch()
    for language, text, form, reply in BLOCK.findall(PAGES[page]):
        there = text.replace("127.0.0.1:8080", stack.gateway.removeprefix("http://"))
        there = there.replace(".venv/bin/python ", "python ")
        if language == "sh":
            # The reader runs all commands of a page in one terminal, where variables stay set.
            names |= set(ASSIGNMENT.findall(there))
            there = f"source {VARIABLES}\n{there}\ndeclare -p {' '.join(names)} > {VARIABLES}\n"
        said = run(directory, language, there)
        if form == "json":
            assert without_varying_values(said) == without_varying_values(reply)
        elif form == "text":
            assert said == reply
        for line in re.findall(r"print\(.*#\s*(.*)", text):
            assert line in said.splitlines()


def test_the_commands_on_the_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page, text in PAGES.items():
        for command in re.findall(r"(?:`|^ {4}|^)make ([a-z-][a-z -]*)", text, re.MULTILINE):
            assert set(command.split()) <= targets, (page, command)
        for module in re.findall(r"python -m ([a-z_.]*[a-z_])", text):
            assert find_spec(module), (page, module)


def test_the_counter_to_alert_on_has_this_name_in_prometheus(stack: RunningStack) -> None:
    metrics = httpx.get(f"{stack.admin}/stats/prometheus").text
    (name,) = re.findall(r"Alert on\s+`(\w+)`", PAGES["operating.md"])
    assert re.search(rf"^{name}{{.*}} 0$", metrics, re.MULTILINE)
