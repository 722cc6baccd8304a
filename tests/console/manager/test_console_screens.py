"""Every screen in both languages and on a phone, with the keyboard alone, and for axe-core."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.console.conftest import serious_problems
from tests.console.manager.pages import CHINESE, ENGLISH, PHONE, WIDE, Console, opened
from tests.support.running import RunningStack

# The place, and the heading in both languages.
SCREENS = [
    ("rules", {ENGLISH: "Levels and rules", CHINESE: "等级规则"}),
    ("demotion", {ENGLISH: "Demotion", CHINESE: "降级"}),
    ("members", {ENGLISH: "Members", CHINESE: "会员"}),
    ("member/3dfg4df", {ENGLISH: "3dfg4df", CHINESE: "3dfg4df"}),
    ("audience", {ENGLISH: "Audience", CHINESE: "人群"}),
    ("shop", {ENGLISH: "Shop levels", CHINESE: "商城等级"}),
    ("apps", {ENGLISH: "Apps", CHINESE: "应用"}),
]
SKIP = {ENGLISH: "Skip to the content", CHINESE: "跳到内容"}


@pytest.mark.parametrize(
    ("language", "size"),
    [(ENGLISH, PHONE), (CHINESE, PHONE), (ENGLISH, WIDE), (CHINESE, WIDE)],
    ids=["en-phone", "zh-phone", "en-wide", "zh-wide"],
)
def test_every_screen_fits_and_has_no_serious_finding_of_axe(
    browser: Browser, stack: RunningStack, language: str, size: dict[str, int]
) -> None:
    stack.reset()
    # axe-core takes long, so it sees each screen in two of the four.
    has_axe = (language == ENGLISH) == (size == PHONE)
    with opened(browser, stack, locale=language, viewport=size) as console:
        assert not has_axe or serious_problems(console.page) == []
        console.sign_in()
        for place, headings in SCREENS:
            console.open(place)
            expect(console.page.locator("h1")).to_contain_text(headings[language])
            expect(console.page.locator("[aria-busy=true]")).to_have_count(0)
            width = console.page.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], place
            assert console.page.locator(".who").evaluate(
                "each => each.scrollWidth <= each.clientWidth"
            )
            assert not has_axe or serious_problems(console.page) == [], place
            # The view was not drawn with the texts of the other language.
            assert console.page.title().split(" · ")[0] in {
                *headings.values(),
                "Member",
                "会员详情",
            }


def test_the_draft_the_dialog_and_an_error_have_no_serious_finding_of_axe(console: Console) -> None:
    console.field("From points").nth(1).fill("700000")
    expect(console.main).to_contain_text("Must be more than the first points")
    assert serious_problems(console.page) == []
    console.field("From points").nth(1).fill("501")
    console.page.route("**/vipBiz/preview", lambda route: route.abort(), times=1)
    console.button("Preview how many move").click()
    console.says("The gateway does not answer")
    assert serious_problems(console.page) == []
    console.button("Preview how many move").click()
    console.button("Save the rules").click()
    expect(console.page.get_by_role("dialog")).to_be_visible()
    assert serious_problems(console.page) == []


def test_the_shop_is_shown_as_a_member_sees_it(console: Console) -> None:
    console.open("shop")
    console.field("Shop").fill("nowhere")
    console.button("Show").click()
    console.says("The shop has no settings.")
    console.field("Shop").fill("6")
    console.field("As this member sees them (optional)").fill("joe")
    console.button("Show").click()
    expect(console.main).to_contain_text("Joe: 第一")
    expect(console.main.locator("tbody tr")).to_have_count(2)
    expect(console.main).to_contain_text("buys 测试商品")


def test_of_two_questions_only_the_newest_answer_is_shown(console: Console) -> None:
    console.open("shop")
    expect(console.main.locator("tbody tr")).not_to_have_count(0)
    held = console.hold(re.compile("i=7"))
    for shop in ("7", "8"):
        console.field("Shop").fill(shop)
        console.button("Show").click()
    expect(console.main).to_contain_text("八号店")
    with console.page.expect_response(re.compile("i=7")) as late:
        held[0].continue_()
    late.value.finished()
    expect(console.main).to_contain_text("八号店")


def test_the_apps_are_listed_without_secrets(console: Console) -> None:
    console.open("apps")
    demo = console.main.get_by_role("listitem").filter(
        has=console.page.get_by_text("demo", exact=True)
    )
    expect(demo.first).to_contain_text("rules:write")
    expect(demo.first).to_contain_text("Last token: ")
    assert console.stack.app_secret not in console.page.content()


def _tab_to(console: Console, name: str) -> None:
    """Presses Tab until the element with this text or label has the focus."""
    focused = """(({ ariaLabel, labels, textContent }) =>
      ariaLabel ?? labels?.[0]?.textContent ?? textContent)(document.activeElement)"""
    for _ in range(80):
        console.page.keyboard.press("Tab")
        if str(console.page.evaluate(focused)).strip().startswith(name):
            return
    raise AssertionError(f"Tab does not reach {name}")


def test_the_keyboard_alone_signs_in_moves_a_boundary_and_saves(start: Console) -> None:
    page, keyboard = start.page, start.page.keyboard
    _tab_to(start, "App id")
    keyboard.type(start.stack.appid)
    _tab_to(start, "Secret")
    keyboard.type(start.stack.app_secret)
    keyboard.press("Enter")
    expect(page.locator(".ladder")).to_be_visible()
    # The new view has the focus, so Tab goes to its first boundary.
    _tab_to(start, "End of level 0, Start of level 1")
    keyboard.press("ArrowRight")
    _tab_to(start, "Preview how many move")
    keyboard.press("Enter")
    expect(start.main).to_contain_text("Nobody moves.")
    _tab_to(start, "Save the rules")
    keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(start.button("Save the rules")).to_be_focused()
    keyboard.press("Enter")
    keyboard.press("Tab")
    keyboard.press("Enter")
    start.says("Saved as version 2.")


def test_the_skip_link_and_the_navigation_work_with_the_keyboard(console: Console) -> None:
    page, keyboard = console.page, console.page.keyboard
    page.evaluate("document.activeElement.blur()")
    page.evaluate("document.querySelector('.skip').focus()")
    assert page.locator(".skip").bounding_box()["x"] >= 0  # type: ignore[index]
    keyboard.press("Enter")
    expect(console.main).to_be_focused()
    keyboard.press("Shift+Tab")
    expect(page.get_by_role("link", name="Apps")).to_be_focused()
    keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Apps")
    expect(console.main).to_be_focused()
    expect(page.get_by_role("link", name="Apps")).to_have_attribute("aria-current", "page")
