"""The audience: composing a condition, counting, a sample, an explanation, and downloads."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from services.user_facts.fact import ANDROID, Star
from services.user_facts.fact_store import FactStore
from tests.console.manager.pages import Console, add_members
from tests.support.levels import BUCKETS

STRANGE = ('say "hi"', "a,b", "=1+1", "名前", "<b>")
FIND = "**/upbot/api/FindUsers"


@pytest.fixture
def audience(console: Console) -> Console:
    """Of seven members at level 1, two have a lit star."""
    add_members(console.stack, dict.fromkeys((*STRANGE, "lit-1", "lit-2"), 600))
    facts = FactStore(console.stack.store, BUCKETS)
    for user in ("lit-1", "lit-2"):
        facts.put_star(user, Star(77, ANDROID), lit=True)
    console.open("audience")
    return console


def _level_is(console: Console, levels: str) -> None:
    console.field("Condition").first.select_option("level_in")
    console.field("Levels, separated by commas").first.fill(levels)


def test_an_audience_is_composed_counted_and_sampled(audience: Console) -> None:
    _level_is(audience, "1, 2")
    audience.button("Count").click()
    expect(audience.main).to_contain_text("Users: 7")
    audience.button("Add a condition").click()
    audience.field("Condition").nth(1).select_option("star")
    audience.field("Games (gid), separated by commas").fill("77")
    expect(audience.main).not_to_contain_text("Users: 7")  # that was another condition
    audience.button("Count").click()
    expect(audience.main).to_contain_text("Users: 2")
    audience.button("Show some").click()
    expect(audience.main.get_by_role("link")).to_have_count(2)
    audience.main.get_by_label("exclude these users").nth(1).check()
    audience.button("Count").click()
    expect(audience.main).to_contain_text("Users: 5")


def test_an_estimate_states_its_error(audience: Console) -> None:
    # So few users are counted exactly, so the answer for many is made up.
    many = {"ret": 0, "msg": "", "data": {"users": 1234567, "estimated": True, "error": 890}}
    audience.page.route("**/CountUsers", lambda route: route.fulfill(json=many), times=1)
    sent = audience.calls("/CountUsers")
    audience.field("Level").fill("1")
    audience.button("Estimate").click()
    expect(audience.main).to_contain_text("Users: about 1,234,567, ± 890")
    assert sent[0]["estimate"] is True


def test_groups_are_nested_and_their_parts_removed(audience: Console) -> None:
    sent = audience.calls("/CountUsers")
    audience.field("Condition").first.select_option("group")
    audience.field("How they are combined").nth(1).select_option("any")
    audience.field("Level").fill("5")
    audience.button("Add a condition").first.click()  # that of the inner group
    audience.field("Condition").nth(2).select_option("points")
    audience.field("Comparison").select_option("6")
    audience.field("Number").fill("600")
    audience.field("Up to").fill("600")
    audience.button("Count").click()
    expect(audience.main).to_contain_text("Users: 8")
    points = {"compare_type": 6, "value": "600", "rvalue": "600"}
    inner = {"any": {"conditions": [{"level_at_least": 5}, {"points": points}]}}
    assert sent[-1]["condition"] == {"all": {"conditions": [inner]}}
    audience.button("Remove").first.click()
    audience.field("Comparison").select_option("1")
    audience.button("Count").click()
    expect(audience.main).to_contain_text("Users: 7")


def test_a_condition_that_is_refused_names_its_field(audience: Console) -> None:
    audience.field("Condition").first.select_option("points")
    audience.field("Number").fill("99999999999999999999")
    audience.button("Count").click()
    audience.says("Correct this field: Number.")
    expect(audience.field("Number")).to_be_focused()


def test_an_incomplete_condition_is_not_sent(audience: Console) -> None:
    sent = audience.calls("/CountUsers")
    audience.button("Count").click()
    expect(audience.field("Level")).to_be_focused()
    assert sent == []


def test_one_user_is_explained(audience: Console) -> None:
    _level_is(audience, "3")
    audience.field("User id").fill("lit-1")
    audience.button("Check").click()
    expect(audience.main).to_contain_text(
        "Has level 1 and 600 points; this does not hold: Level is one of 3"
    )
    audience.field("User id").fill("3dfg4df")
    audience.button("Check").click()
    expect(audience.main).to_contain_text("Yes.")


def _ids(path: Path, name: str) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        if name == "NDJSON":
            return [json.loads(line)["user_id"] for line in file]
        rows = list(csv.reader(file))
        assert rows[0] == ["user_id"]
        return [user for (user,) in rows[1:]]


@pytest.mark.parametrize("name", ["CSV", "NDJSON"])
def test_a_download_has_every_user_exactly(audience: Console, tmp_path: Path, name: str) -> None:
    _level_is(audience, "1")
    with audience.page.expect_download() as download:
        audience.button(f"Download {name}").click()
    audience.says("Users in the file: 7")
    target = tmp_path / download.value.suggested_filename
    today = audience.page.evaluate("new Date().toLocaleDateString('sv-SE')")
    assert target.name == f"audience-{today}.{name.lower()}"
    download.value.save_as(target)
    assert sorted(_ids(target, name)) == sorted([*STRANGE, "lit-1", "lit-2"])


def _in_two_pages(console: Console) -> None:
    """Every answer has at most four users, so that a download takes several calls."""

    def smaller(route: Route) -> None:
        body: Any = route.request.post_data_json
        route.continue_(post_data=json.dumps({**body, "page_size": 4}))

    console.page.route(FIND, smaller)


def test_an_interrupted_download_continues_where_it_was(audience: Console, tmp_path: Path) -> None:
    _in_two_pages(audience)
    _level_is(audience, "1")
    calls: list[Any] = []

    def fail_second(route: Route) -> None:
        calls.append(route.request.post_data_json)
        if len(calls) == 2:
            route.abort()
        else:
            route.fallback()

    audience.page.route(FIND, fail_second)
    audience.button("Download CSV").click()
    audience.says("The gateway does not answer")
    expect(audience.main).to_contain_text("users so far: 4")
    with audience.page.expect_download() as download:
        audience.button("Continue").click()
    target = tmp_path / "found"
    download.value.save_as(target)
    assert sorted(_ids(target, "CSV")) == sorted([*STRANGE, "lit-1", "lit-2"])
    assert calls[1] == calls[2]


def test_a_download_can_be_cancelled(audience: Console) -> None:
    held = audience.hold(FIND)
    _level_is(audience, "1")
    audience.button("Download CSV").click()
    audience.button("Cancel").click()
    held[0].continue_()
    expect(audience.button("Cancel")).to_have_count(0)
    expect(audience.button("Count")).to_have_attribute("aria-disabled", "false")
    expect(audience.notice).to_be_empty()
