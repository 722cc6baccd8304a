"""Members: finding them, one member's summary, checks in words, and changes by hand."""

import re
from typing import Any
from urllib.parse import quote

from playwright.sync_api import expect

from services.user_state.state import UserState
from tests.console.manager.pages import Console, add_members
from tests.support.levels import BUCKETS

# Ids are any printable text, so also what is markup, a path or written from right to left.
STRANGE = ("<img src=x onerror=alert(1)>", "a/b?c#d&e=%2F", "عضو 1", "=1+1", "名前", "x" * 128)


def _points(console: Console, user: str) -> int:
    record = UserState(console.stack.store, BUCKETS).get(user)
    assert record is not None
    return record.points


def test_members_are_found_by_the_beginning_of_their_id(console: Console) -> None:
    add_members(console.stack, {f"anna-{n}": 10 * n for n in range(3)})
    console.open("members")
    console.field("Id, or its beginning").fill("anna")
    console.page.keyboard.press("Enter")
    expect(console.main).to_contain_text("Members found: 3.")
    expect(console.main.get_by_role("link", name="anna-")).to_have_count(3)
    console.field("Id, or its beginning").fill("nobody-has-this")
    console.button("Search").click()
    expect(console.main).to_contain_text("Members found: 0.")


def test_the_members_of_a_level_are_listed_by_points_in_pages(console: Console) -> None:
    add_members(console.stack, {f"page-{n:03}": 500 + n for n in range(130)})
    console.open("members")
    levels = console.field("All members of a level, by points")
    expect(levels.locator("option")).to_contain_text(
        ["Choose…", "Level 0", "Level 1 · members: 130"]
    )
    levels.select_option("1")
    console.button("List").click()
    rows = console.main.locator(".list li")
    expect(rows).to_have_count(100)
    console.button("Show more").click()
    expect(rows).to_have_count(130)
    expect(rows.last).to_contain_text("page-129")
    # Back returns to the place in the list.
    rows.nth(120).scroll_into_view_if_needed()
    before = console.page.evaluate("scrollY")
    rows.nth(120).get_by_role("link").click()
    expect(console.page.locator("h1")).to_have_text("page-120")
    assert console.page.evaluate("scrollY") == 0
    console.page.go_back()
    expect(rows).to_have_count(130)
    assert abs(console.page.evaluate("scrollY") - before) < 100


def test_after_a_change_back_shows_the_new_state_in_the_list(console: Console) -> None:
    console.open("members")
    console.field("Id, or its beginning").fill("3dfg4df")
    console.button("Search").click()
    rows = console.main.locator(".list li")
    expect(rows).to_contain_text("Level 3 · 1,500 points")
    rows.get_by_role("link").click()
    console.field("Points to add (negative to remove)").fill("50")
    console.button("Add points").click()
    console.confirm("Add points")
    console.says("3dfg4df now has 1,550 points")
    console.page.go_back()
    expect(rows).to_contain_text("Level 3 · 1,550 points")


def test_any_id_is_shown_as_text_and_can_be_opened(console: Console) -> None:
    add_members(console.stack, dict.fromkeys(STRANGE, 600))
    for user in STRANGE:
        console.open("members")
        console.field("Id, or its beginning").fill(user[:20])
        console.button("Search").click()
        console.main.get_by_role("link", name=user, exact=True).click()
        expect(console.page.locator("h1")).to_have_text(user)
        expect(console.main).to_contain_text("600 points")
        expect(console.page.locator("main img")).to_have_count(0)


def test_the_summary_tells_level_risk_history_facts_and_missing_points(console: Console) -> None:
    console.open("member/3dfg4df")
    for text in (
        "Level 3 黄金会员",
        "1,500 points · earned by points",
        "Can lose 300 points and keep the level.",
        "1,500 more points for level 5 黑钻会员",
        "Points set Level 0, 0 points → Level 3, 1,500 points",
        "Facts (0)",
    ):
        expect(console.main).to_contain_text(text)
    console.open("member/joe")
    expect(console.main).to_contain_text("set by hand · protected until")


def test_an_unknown_member_is_no_error(console: Console) -> None:
    console.open("member/nobody")
    expect(console.main).to_contain_text("There is no member with this id.")


def test_a_check_is_explained_in_words(console: Console) -> None:
    console.open("member/3dfg4df")
    for level, words in (
        ("3", "Yes."),
        ("5", "Has level 3 and 1,500 points; 1,500 more are needed for level 5."),
    ):
        console.field("At least level").select_option(level)
        console.button("Check").click()
        expect(console.main).to_contain_text(words)


def test_points_are_added_after_a_confirmation(console: Console) -> None:
    console.open("member/3dfg4df")
    console.field("Points to add (negative to remove)").fill("-100")
    console.button("Add points").click()
    expect(console.page.get_by_role("dialog")).to_contain_text(
        "Remove 100 points from 3dfg4df. If no answer arrives, press again: it counts once."
    )
    console.confirm("Cancel")
    assert _points(console, "3dfg4df") == 1500
    console.button("Add points").click()
    console.confirm("Remove points")
    console.says("3dfg4df now has 1,400 points and level 3.")
    expect(console.main).to_contain_text("1,400 points · earned")
    assert _points(console, "3dfg4df") == 1400


def test_a_repetition_after_a_lost_answer_adds_points_once(console: Console) -> None:
    console.open("member/3dfg4df")
    console.field("Points to add (negative to remove)").fill("100")
    sent = console.calls("/userlevel/points/")
    console.lose_answer("/userlevel/points/")
    console.button("Add points").click()
    console.confirm("Add points")
    console.says("The gateway does not answer")
    # Neither another member nor the new state of this one changes the key.
    console.open("member/joe")
    expect(console.page.locator("h1")).to_have_text("joe")
    expect(console.field("Points to add (negative to remove)")).to_have_value("")
    console.open("member/3dfg4df")
    expect(console.main).to_contain_text("1,600 points · earned")
    console.button("Add points").click()
    console.confirm("Add points")
    console.says("3dfg4df now has 1,600 points")
    assert _points(console, "3dfg4df") == 1600
    assert len({body["billNo"] for body in sent}) == 1
    assert len(sent) == 2


def test_points_are_not_added_to_a_member_who_has_changed(console: Console) -> None:
    console.open("member/3dfg4df")
    expect(console.main).to_contain_text("1,500 points · earned")
    add_members(console.stack, {"3dfg4df": 1700})
    console.field("Points to add (negative to remove)").fill("100")
    console.button("Add points").click()
    console.confirm("Add points")
    console.says("The member has changed meanwhile.")
    expect(console.main).to_contain_text("1,700 points · earned")
    assert _points(console, "3dfg4df") == 1700


def test_the_field_that_is_refused_is_named(console: Console) -> None:
    console.open("member/3dfg4df")
    console.field("Points to add (negative to remove)").fill("0")
    console.button("Add points").click()
    console.confirm("Add points")
    console.says("Correct this field: Points to add (negative to remove).")
    expect(console.field("Points to add (negative to remove)")).to_be_focused()


def test_a_level_is_set_by_hand(console: Console) -> None:
    console.open("member/42")
    console.field("Level").select_option("5")
    console.field("On behalf of (partner id)").fill("partner-1")
    console.button("Set the level").click()
    console.confirm("Set the level")
    console.says("42 now has level 5.")
    expect(console.main).to_contain_text("set by hand · protected until")
    expect(console.main).to_contain_text("partner-1")
    expect(console.field("Level")).to_have_value("")
    expect(console.field("On behalf of (partner id)")).to_have_value("")


def test_the_result_of_a_check_does_not_outlive_a_change(console: Console) -> None:
    console.open("member/3dfg4df")
    console.field("Points to add (negative to remove)").fill("1500")
    console.field("At least level").select_option("5")
    console.button("Check").click()
    expect(console.main).to_contain_text("1,500 more are needed for level 5.")
    console.button("Add points").click()
    console.confirm("Add points")
    console.says("3dfg4df now has 3,000 points and level 5.")
    expect(console.main).not_to_contain_text("more are needed")
    console.button("Check").click()
    expect(console.main).to_contain_text("Yes.")
    console.field("Level").select_option("0")
    console.field("On behalf of (partner id)").fill("partner-1")
    console.button("Set the level").click()
    console.confirm("Set the level")
    console.says("3dfg4df now has level 0.")
    expect(console.main).not_to_contain_text("Yes.")


def test_the_lowest_level_cannot_be_lost(console: Console) -> None:
    add_members(console.stack, {"lowest": 20})
    console.open("member/lowest")
    expect(console.main).to_contain_text("This is the lowest level.")


def test_an_answer_that_arrives_late_is_not_shown_for_another_member(console: Console) -> None:
    held = console.hold("**/userlevel/summary/joe")
    console.open("member/joe")
    expect(console.page.locator("h1")).to_have_text("joe")
    console.open("member/3dfg4df")
    expect(console.main).to_contain_text("1,500 points · earned")
    with console.page.expect_response("**/userlevel/summary/joe"):
        held[0].continue_()
    expect(console.main).to_contain_text("1,500 points · earned")
    expect(console.main).not_to_contain_text("set by hand · protected")


def test_a_new_search_replaces_one_whose_answer_is_late(console: Console) -> None:
    held = console.hold(re.compile("prefix=joe"))
    console.open("members")
    console.field("Id, or its beginning").fill("joe")
    console.button("Search").click()
    expect(console.main).to_contain_text("The search goes on…")
    console.field("Id, or its beginning").fill("3dfg4df")
    console.button("Search").click()
    expect(console.main.get_by_role("link", name="3dfg4df")).to_be_visible()
    with console.page.expect_response(re.compile("prefix=joe")):
        held[0].continue_()
    expect(console.main.locator(".list a")).to_have_text(["3dfg4df"])


def test_a_double_click_changes_once(console: Console) -> None:
    sent: list[Any] = console.calls("/userlevel/points/")
    console.open(f"member/{quote('3dfg4df')}")
    console.field("Points to add (negative to remove)").fill("100")
    console.button("Add points").dblclick()
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Add points").evaluate(
        "each => { each.click(); each.click(); }"
    )
    console.says("3dfg4df now has 1,600 points")
    assert len(sent) == 1
