"""A browser for each module, and pages that report what they ask of other hosts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
# On a machine that is busy with other tests.
PATIENCE_MS = 20_000


@dataclass
class Seen:
    """What a page did that no page may do."""

    gateway: str
    elsewhere: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("request", lambda request: self._request(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._message)

    def _request(self, url: str) -> None:
        if not url.startswith((self.gateway, "data:", "blob:")):
            self.elsewhere.append(url)

    def _message(self, message: Any) -> None:
        # A refusal of the content security policy is such a message.
        if message.type == "error" and "Content Security Policy" in message.text:
            self.errors.append(message.text)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with its module: tests with asyncio cannot run beside playwright's event loop."""
    if not Path(CHROMIUM).exists():
        pytest.fail(f"There is no {CHROMIUM}; install it with: apt-get install chromium", False)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


def serious_problems(page: Page, *, without: str = "") -> list[str]:
    """What axe-core finds that is serious or critical, outside the elements `without`."""
    # Not as a script element, which the content security policy refuses.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    excluded = {"exclude": [[without]]} if without else {}
    found = page.evaluate("context => axe.run(context)", excluded or {"include": [["html"]]})
    return [
        f"{violation['id']}: {[node['html'] for node in violation['nodes']]}"
        for violation in found["violations"]
        if violation["impact"] in {"serious", "critical"}
    ]
