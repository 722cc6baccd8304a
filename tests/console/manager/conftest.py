"""The console in a browser, with the demo data behind it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.console.manager.pages import Console, opened
from tests.support.running import RunningStack


@pytest.fixture
def start(browser: Browser, stack: RunningStack) -> Iterator[Console]:
    """The console before sign-in, in English and on a wide screen."""
    stack.reset()
    with opened(browser, stack) as console:
        yield console


@pytest.fixture
def console(start: Console) -> Console:
    """The console with the demo app, which has all scopes, on the view of the rules."""
    start.sign_in()
    expect(start.main.get_by_role("heading", level=1)).to_contain_text("Levels and rules")
    return start
