"""Writes the screenshots of docs/console.md: `make screenshots`.

It starts a suite of its own with the demo data and 400 more members, so that the pictures do not
depend on what anybody did before.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from operations.commands.demo import RULES
from services.rules.ladder import Ladder, Rule
from services.rules.rule_book import Book, RuleBook
from tests.console.conftest import CHROMIUM, FLAGS
from tests.console.manager.pages import CHINESE, ENGLISH, PHONE, Console, add_members, opened
from tests.support.running import running_stack

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"
WIDTH = 800
# The most members have few points.
MEMBERS = {f"user-{n:03}": 4_900 * (n % 20) ** 2 // 361 for n in range(400)}


def _rules(console: Console) -> None:
    handle = console.page.get_by_role("slider").nth(1)
    handle.focus()
    for _ in range(3):
        console.page.keyboard.press("PageUp")
    console.main.locator(".buttons button").first.click()
    expect(console.main.locator("section section table")).to_be_visible()
    console.page.mouse.move(0, 0)


def _demotion(console: Console) -> None:
    higher = [*RULES[:3], Rule(4, 3, RULES[3].name, 1600, 2000), RULES[4]]
    book = Book(Ladder(higher), next_id=7)
    RuleBook(console.stack.store).change(lambda _book: book, "demo")
    console.button("Count who would be demoted").click()
    expect(console.main.get_by_role("heading", level=3)).to_be_visible()
    RuleBook(console.stack.store).change(lambda _book: Book(Ladder(RULES), next_id=7), "demo")


def _members(console: Console) -> None:
    console.field("All members of a level, by points").select_option("3")
    console.button("List").click()
    expect(console.main.locator(".list li").first).to_be_visible()


def _member(console: Console) -> None:
    console.field("At least level").select_option("5")
    console.button("Check").click()
    expect(console.main).to_contain_text("are needed for level 5")


def _audience(console: Console) -> None:
    console.field("Level").fill("1")
    console.button("Add a condition").click()
    console.field("Condition").nth(1).select_option("points")
    console.field("Number").fill("1000")
    console.button("Count").click()
    expect(console.main).to_contain_text("Users: ")
    console.button("Show some").click()
    expect(console.main.get_by_role("link").first).to_be_visible()


# The file, the place, what is done there, the language, and the size of the window.
PICTURES: list[tuple[str, str, Callable[[Console], None], str, dict[str, int]]] = [
    ("console-rules", "rules", _rules, ENGLISH, {"width": WIDTH, "height": 760}),
    ("console-rules-phone", "rules", _rules, CHINESE, PHONE),
    ("console-demotion", "demotion", _demotion, ENGLISH, {"width": WIDTH, "height": 820}),
    ("console-members", "members", _members, ENGLISH, {"width": WIDTH, "height": 560}),
    ("console-member", "member/3dfg4df", _member, ENGLISH, {"width": WIDTH, "height": 1000}),
    ("console-audience", "audience", _audience, ENGLISH, {"width": WIDTH, "height": 980}),
]


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory)) as stack,
        sync_playwright() as playwright,
    ):
        add_members(stack, MEMBERS)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, place, act, language, size in PICTURES:
            with opened(browser, stack, locale=language, viewport=size) as console:
                console.sign_in()
                expect(console.page.locator(".ladder")).to_be_visible()
                console.open(place)
                act(console)
                console.page.evaluate("scrollTo(0, 0)")
                console.page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")
        browser.close()
        stack.store.close()


if __name__ == "__main__":
    main()
