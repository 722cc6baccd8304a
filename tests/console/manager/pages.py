"""The console as a test uses it: an open page, signed in or not."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Route, expect

from services.rules.rule_book import RuleBook
from services.user_state.state import UserState
from tests.console.conftest import PATIENCE_MS, Seen
from tests.support.levels import BUCKETS
from tests.support.running import RunningStack

PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1200, "height": 850}
ATTEMPTS = 5
ENGLISH, CHINESE = "en-GB", "zh-CN"


class Console:
    """One browser window with the console, and the suite behind it."""

    def __init__(self, page: Page, stack: RunningStack) -> None:
        self.page = page
        self.stack = stack
        self.main = page.get_by_role("main")
        self.notice = page.locator(".notices")

    def sign_in(self, appid: str = "", secret: str = "") -> None:
        self.page.locator("[name=appid]").fill(appid or self.stack.appid)
        self.page.locator("[name=secret]").fill(secret or self.stack.app_secret)
        self.page.locator("main form button.main").click()

    def open(self, place: str) -> None:
        """Opens a view as a link to it does."""
        self.page.evaluate("place => { location.hash = `#/${place}`; }", place)

    def button(self, name: str) -> Locator:
        return self.main.get_by_role("button", name=name, exact=True)

    def field(self, name: str) -> Locator:
        # The label of a list contains the list, so its text is not exactly the name.
        lists = self.main.get_by_role("combobox", name=name, exact=True)
        return self.main.get_by_label(name, exact=True).or_(lists)

    def confirm(self, name: str) -> None:
        self.page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()

    def says(self, text: str) -> None:
        expect(self.notice).to_contain_text(text)

    def calls(self, path: str) -> list[Any]:
        """From now on, the bodies of the requests to this path."""
        seen: list[Any] = []
        self.page.on(
            "request",
            lambda request: seen.append(request.post_data_json) if path in request.url else None,
        )
        return seen

    def hold(self, url: str | re.Pattern[str]) -> list[Route]:
        """The next request to this URL waits in the list until the test lets it go on."""
        held: list[Route] = []
        # Not the method of the list itself, to which Playwright cannot add an attribute.
        self.page.route(url, lambda route: held.insert(0, route), times=1)
        return held

    def lose_answer(self, path: str) -> None:
        """The next call of this path is made, but its answer does not arrive."""

        def lose(route: Route) -> None:
            route.fetch()
            route.abort()

        self.page.route(re.compile(re.escape(path)), lose, times=1)


@contextmanager
def opened(browser: Browser, stack: RunningStack, **options: Any) -> Iterator[Console]:
    """A new window. Nothing in it asks another host or breaks the policy of the page."""
    seen = Seen(stack.gateway)
    context = browser.new_context(**{"locale": ENGLISH, "viewport": WIDE, **options})
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    try:
        page = context.new_page()
        seen.watch(page)
        _load(page, f"{stack.gateway}/console/")
        yield Console(page, stack)
        assert seen.elsewhere == []
        assert seen.errors == []
    finally:
        context.close()


def _load(page: Page, address: str) -> None:
    """Chromium gives up its connections (ERR_NETWORK_CHANGED) when the machine gets or loses a
    network, as it does beside containers that start or stop. Then the page is loaded again."""
    for _ in range(ATTEMPTS):
        page.goto(address)
        if page.locator("[name=appid]").count():
            return


def add_members(stack: RunningStack, points: dict[str, int]) -> None:
    """Members with these points, by id; the rules of the demo data give them their levels."""
    users = UserState(stack.store, BUCKETS)
    thresholds = RuleBook(stack.store).book().thresholds
    for user, total in points.items():
        users.initialise(user, thresholds.levels[0], thresholds.version, "test")
        users.set_points(user, total, thresholds, "test")
