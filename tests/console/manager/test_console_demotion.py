"""Demotion: a plan, a run with a rate, its progress, stopping it, and past runs."""

import pytest
from playwright.sync_api import Page, expect

from operations.commands.demo import RULES
from services.rules.ladder import Ladder, Rule
from services.rules.rule_book import Book, RuleBook
from tests.console.manager.pages import Console, add_members

MEMBERS = {f"due-{n}": 1500 for n in range(12)}


@pytest.fixture
def due(console: Console) -> Console:
    """Thirteen members have level 3, which their points no longer keep."""
    add_members(console.stack, MEMBERS)
    higher = [*RULES[:3], Rule(4, 3, "third", 1800, 2000), RULES[4]]
    book = Book(Ladder(higher), next_id=7)
    RuleBook(console.stack.store).change(lambda _book: book, "test")
    console.open("demotion")
    return console


def _plan(console: Console) -> None:
    console.button("Count who would be demoted").click()
    expect(console.main).to_contain_text("Members who would fall or lose their protection: 13")
    expect(console.main.locator("tbody tr").first).to_have_text("Level 3 ↓ Level 2 13")


def test_a_plan_is_made_run_and_followed_to_its_end(due: Console) -> None:
    expect(due.main).to_contain_text("There are none yet.")
    _plan(due)
    due.main.get_by_text("Some of them").click()
    expect(due.main.get_by_role("link", name="due-")).not_to_have_count(0)
    due.button("Start the demotion").click()
    due.confirm("Start the demotion")
    past = due.main.locator("section", has_text="Past demotions").locator("tbody tr")
    expect(past).to_have_count(1)
    expect(past).to_contain_text("completed")
    expect(past).to_contain_text("demo")
    expect(past.locator("td.number")).to_have_text("13")
    due.open("member/due-0")
    expect(due.main).to_contain_text("Demoted")


def test_a_slow_run_is_followed_and_stopped(due: Console) -> None:
    _plan(due)
    due.field("At most members per second").fill("1")
    due.button("Start the demotion").click()
    due.confirm("Start the demotion")
    due.says("The demotion has started.")
    running = due.main.locator("section", has_text="A demotion is running")
    expect(running.get_by_role("progressbar")).to_be_visible()
    expect(running).to_contain_text("members so far: 1")
    due.button("Stop the demotion").click()
    due.confirm("Stop the demotion")
    expect(due.main).to_contain_text("stopped by demo")
    expect(running).to_have_count(0)


def test_a_plan_of_earlier_rules_is_refused_and_made_again(due: Console) -> None:
    _plan(due)
    book = Book(Ladder(RULES), next_id=7)
    RuleBook(due.stack.store).change(lambda _book: book, "test")
    due.button("Start the demotion").click()
    due.confirm("Start the demotion")
    due.says("The rules have changed. Make a new plan.")
    due.button("Count who would be demoted").click()
    expect(due.main).to_contain_text("Members who would fall or lose their protection: 0")


def test_the_view_stops_asking_when_the_user_leaves_it(due: Console) -> None:
    _plan(due)
    due.field("At most members per second").fill("1")
    due.button("Start the demotion").click()
    due.confirm("Start the demotion")
    expect(due.main).to_contain_text("members so far")
    due.open("shop")
    expect(due.page.locator("h1")).to_have_text("Shop levels")
    assert _asks(due.page) == []


def _asks(page: Page) -> list[str]:
    """Which progress the page asks for in a time in which it would ask twice."""
    asked: list[str] = []
    page.on("request", lambda each: asked.append(each.url) if "/runs" in each.url else None)
    page.evaluate("new Promise((done) => { setTimeout(done, 2500); })")
    return asked
