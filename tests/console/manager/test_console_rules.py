"""The rules: picture, form, preview, saving, conflicts and versions."""

from collections.abc import Sequence

import pytest
from playwright.sync_api import Locator, expect

from operations.commands.demo import POINTS, RULES
from services.rules.ladder import Ladder, Rule
from services.rules.rule_book import Book, RuleBook
from services.user_state.state import UserState
from tests.console.manager.pages import Console
from tests.support.levels import BUCKETS

# A right-to-left override, which would turn around the text that follows it.
OVERRIDE = "\u202e"


def _rules(console: Console) -> list[tuple[int, str, int, int, str | None]]:
    ladder = RuleBook(console.stack.store).book().ladder
    return [
        (rule.level, rule.name, rule.down_point, rule.up_point, rule.picture)
        for rule in ladder.rules
    ]


def _put(console: Console, rules: Sequence[Rule]) -> None:
    book = Book(Ladder(rules), next_id=max(rule.id for rule in rules) + 1)
    RuleBook(console.stack.store).change(lambda _book: book, "somebody")


def _boundary(console: Console, name: str) -> Locator:
    return console.page.get_by_role("slider", name=name, exact=True)


def _row(console: Console, level: int) -> Locator:
    return console.main.locator("fieldset", has=console.page.get_by_text(f"Level {level} "))


def test_the_picture_shows_bands_gaps_members_and_icons(console: Console) -> None:
    _put(
        console,
        [*RULES[:-1], Rule(6, 5, "five", 3000, 5000, "data:image/gif;base64,R0lGODlhAQABAAAAACw=")],
    )
    console.page.reload()
    console.sign_in()
    page = console.page
    expect(page.locator(".band")).to_have_count(5)
    expect(page.locator(".bar")).to_have_text(["1", "0", "0", "2", "1"])
    expect(page.locator(".gap").first).to_have_attribute(
        "title", "No level begins between 2,000 and 3,000; members keep the level below."
    )
    expect(page.locator(".band img")).to_have_count(1)
    # The bands have their widths although the policy forbids styles in attributes.
    box = page.locator(".band").last.bounding_box()
    assert box is not None
    assert box["width"] > 60


def test_without_members_the_picture_has_empty_bars(console: Console) -> None:
    users = UserState(console.stack.store, BUCKETS)
    for user in POINTS:
        users.delete(user)
    console.page.reload()
    console.sign_in()
    expect(console.page.locator(".bar")).to_have_text(["0"] * 5)
    console.open("members")
    console.field("Id, or its beginning").fill("j")
    console.button("Search").click()
    expect(console.main).to_contain_text("Members found: 0.")


def test_a_boundary_is_dragged_with_the_pointer(console: Console) -> None:
    handle = _boundary(console, "End of level 0, Start of level 1")
    box = handle.bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    console.page.mouse.move(*middle)
    console.page.mouse.down()
    console.page.mouse.move(middle[0] - 30, middle[1], steps=3)
    console.page.mouse.up()
    moved = int(_row(console, 0).get_by_label("Up to (exclusive)").input_value())
    assert 0 < moved < 500
    assert _row(console, 1).get_by_label("From points").input_value() == str(moved)


BETWEEN = "End of level 0, Start of level 1"
# The boundary, the keys that are pressed on it, and where it is then.
MOVES = [
    (BETWEEN, ["ArrowRight"], 501),
    (BETWEEN, ["ArrowLeft", "ArrowDown"], 498),
    (BETWEEN, ["PageUp"], 525),
    (BETWEEN, ["End"], 799),
    (BETWEEN, ["Home"], 1),
    ("End of level 3", ["End"], 3000),
    ("Start of level 5", ["Home"], 2000),
    ("End of level 5", ["PageUp"], 5250),
]


def test_boundaries_are_moved_with_the_keyboard(console: Console) -> None:
    for name, keys, points in MOVES:
        _boundary(console, name).focus()
        for key in keys:
            console.page.keyboard.press(key)
        moved = console.page.locator(f'[role=slider][aria-valuenow="{points}"]')
        expect(moved, name).to_have_count(1)
        console.button("Discard the draft").click()
        console.confirm("Discard the draft")
        expect(console.button("Discard the draft")).to_have_count(0)


def test_what_was_previewed_is_what_is_saved(console: Console) -> None:
    before = _rules(console)
    expect(console.button("Save the rules")).to_have_attribute("aria-disabled", "true")
    _row(console, 5).get_by_label("From points").fill("5500")
    expect(console.main).to_contain_text("Must be more than the first points")
    expect(console.button("Preview how many move")).to_have_attribute("aria-disabled", "true")
    _row(console, 5).get_by_label("Up to (exclusive)").fill("9000")
    console.button("Preview how many move").click()
    moves = console.main.locator("section section tbody tr")
    expect(moves).to_have_text(["Level 5 ↓ Level 3 1"])
    expect(console.main).to_contain_text("Members who keep their level: 3.")
    sent = console.calls("/vipBiz/replace")
    console.button("Save the rules").click()
    console.confirm("Cancel")
    assert _rules(console) == before
    console.button("Save the rules").click()
    console.confirm("Save the rules")
    console.says("Saved as version 2.")
    assert len(sent) == 1
    assert _rules(console) == [*before[:-1], (5, before[-1][1], 5500, 9000, "test")]
    expect(console.page.locator("h1")).to_contain_text("Version 2")


def test_a_change_after_the_preview_must_be_previewed_again(console: Console) -> None:
    _row(console, 5).get_by_label("From points").fill("4000")
    console.button("Preview how many move").click()
    expect(console.button("Save the rules")).to_have_attribute("aria-disabled", "false")
    _row(console, 5).get_by_label("From points").fill("4001")
    expect(console.button("Save the rules")).to_have_attribute("aria-disabled", "true")


def test_a_lost_answer_to_a_save_can_be_repeated(console: Console) -> None:
    _row(console, 0).get_by_label("Name").fill("New name")
    console.button("Preview how many move").click()
    console.lose_answer("/vipBiz/replace")
    console.button("Save the rules").click()
    expect(console.page.get_by_role("dialog")).to_contain_text("Nobody moves.")
    console.confirm("Save the rules")
    console.says("The gateway does not answer")
    console.button("Save the rules").click()
    console.confirm("Save the rules")
    console.says("Saved as version 2.")


@pytest.mark.parametrize("when", ["before the preview", "before the save"])
def test_a_concurrent_edit_is_never_overwritten(console: Console, when: str) -> None:
    _row(console, 0).get_by_label("Name").fill("My name")
    theirs = [*RULES[:-1], Rule(6, 5, "Their name", 3000, 5000)]
    if when == "before the preview":
        _put(console, theirs)
        console.button("Preview how many move").click()
    else:
        console.button("Preview how many move").click()
        expect(console.button("Save the rules")).to_have_attribute("aria-disabled", "false")
        _put(console, theirs)
        console.button("Save the rules").click()
        console.confirm("Save the rules")
        console.says("Somebody else has changed the rules.")
    card = console.main.get_by_role("region", name="somebody saved version 2 at ")
    expect(card).to_contain_text("Their name")
    expect(card).to_contain_text("My name")
    expect(console.button("Save the rules")).to_have_attribute("aria-disabled", "true")
    assert [rule[1] for rule in _rules(console)][-1] == "Their name"
    console.button("Continue with my draft").click()
    _row(console, 5).get_by_label("Name").fill("Their name")
    console.button("Preview how many move").click()
    console.button("Save the rules").click()
    console.confirm("Save the rules")
    console.says("Saved as version 3.")
    assert [rule[1] for rule in _rules(console)][::4] == ["My name", "Their name"]


def test_a_draft_can_be_discarded_for_the_rules_of_another_editor(console: Console) -> None:
    _row(console, 0).get_by_label("Name").fill("My name")
    _put(console, [Rule(1, 0, "Their name", 0, 100)])
    console.button("Preview how many move").click()
    console.main.get_by_role("region", name="somebody saved version 2").get_by_role(
        "button", name="Discard the draft"
    ).click()
    console.confirm("Discard the draft")
    expect(console.field("Name")).to_have_value("Their name")
    expect(console.button("Version 2")).to_be_visible()


def test_a_level_is_removed_from_the_draft_by_a_button_that_says_so(console: Console) -> None:
    button = console.button("Remove level 5")
    expect(button).to_have_text("Remove level")
    button.click()
    expect(console.button("Remove level 5")).to_have_count(0)
    console.button("Discard the draft").click()
    console.confirm("Discard the draft")
    expect(console.button("Remove level 5")).to_be_visible()


def test_a_draft_is_kept_when_the_language_or_the_view_changes(console: Console) -> None:
    _row(console, 0).get_by_label("Name").fill("My name")
    console.page.get_by_role("button", name="中文").click()
    expect(console.field("名称").first).to_have_value("My name")
    console.open("shop")
    expect(console.page.locator("h1")).to_have_text("商城等级")
    console.open("rules")
    expect(console.field("名称").first).to_have_value("My name")


def test_an_earlier_version_is_compared_and_restored(console: Console) -> None:
    before = _rules(console)
    _put(console, [Rule(1, 0, "Only one", 0, 500)])
    console.page.reload()
    console.sign_in()
    console.button("Version 1").click()
    expect(console.main.locator("table").first).to_contain_text("Only one")
    expect(console.main).to_contain_text("present levels, nobody moves.")
    console.button("Restore version 1").click()
    console.confirm("Restore version 1")
    console.says("Version 1 is restored.")
    assert _rules(console) == before
    expect(console.page.locator("h1")).to_contain_text("Version 3")


def test_a_restore_over_a_concurrent_edit_changes_nothing(console: Console) -> None:
    _put(console, [Rule(1, 0, "Second", 0, 500)])
    console.page.reload()
    console.sign_in()
    console.button("Version 1").click()
    expect(console.button("Restore version 1")).to_be_visible()
    _put(console, [Rule(1, 0, "Third", 0, 500)])
    console.button("Restore version 1").click()
    console.confirm("Restore version 1")
    console.says("Somebody else has changed the rules.")
    expect(console.field("Name")).to_have_value("Third")


def test_a_field_that_the_service_refuses_is_named_and_focused(console: Console) -> None:
    icon = _row(console, 3).get_by_label("Icon (address)")
    icon.evaluate("element => { element.maxLength = 9000; }")
    icon.fill("/" + "x" * 3000)
    console.button("Preview how many move").click()
    console.button("Save the rules").click()
    console.confirm("Save the rules")
    console.says("Correct this field: Icon (address).")
    expect(icon).to_be_focused()


def test_a_hundred_levels_and_strange_names_are_shown(console: Console) -> None:
    names = ["<b>bold</b>", "مستوى", f"{OVERRIDE}right", "long " * 25]
    many = [
        Rule(n + 1, n, names[n] if n < 4 else f"n{n}", 100 * n, 100 * n + 100) for n in range(100)
    ]
    _put(console, many)
    console.page.set_viewport_size({"width": 390, "height": 844})
    console.page.reload()
    console.sign_in()
    expect(console.page.locator(".band")).to_have_count(100)
    expect(console.page.locator(".band").first).to_contain_text("<b>bold</b>")
    expect(console.button("Add a level")).to_have_count(0)
    assert console.page.evaluate("document.documentElement.scrollWidth") <= 390
    handle = _boundary(console, "End of level 0, Start of level 1")
    handle.focus()
    console.page.keyboard.press("ArrowLeft")
    expect(_row(console, 0).get_by_label("Up to (exclusive)")).to_have_value("99")
