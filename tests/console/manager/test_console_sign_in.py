"""Signing in, and what happens when the session, the gateway or a scope is missing."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from services.access.apps import Apps
from services.access.secrets import digest
from services.store import keys
from tests.console.manager.pages import Console
from tests.stack.waiting import until

TOKENS = "/upbot/api/auth/"


def test_a_wrong_secret_gets_a_sentence_and_the_form_stays(start: Console) -> None:
    start.sign_in(secret="wrong")
    start.says("The app id or the secret is wrong")
    expect(start.page.locator("[name=appid]")).to_have_value(start.stack.appid)
    start.sign_in()
    expect(start.page.locator(".ladder")).to_be_visible()


def test_the_secret_is_shown_on_request(start: Console) -> None:
    secret = start.page.locator("[name=secret]")
    secret.fill("typed")
    for shown in ("text", "password"):
        start.button("Show the secret").click()
        expect(secret).to_have_attribute("type", shown)
        expect(secret).to_have_value("typed")


def test_the_language_can_be_changed_before_and_after_signing_in(start: Console) -> None:
    start.page.locator("[name=appid]").fill("half typed")
    start.page.get_by_role("button", name="中文").click()
    expect(start.main.get_by_role("heading", level=1)).to_have_text("登录")
    expect(start.page.locator("[name=appid]")).to_have_value("half typed")
    assert start.page.evaluate("document.documentElement.lang") == "zh-CN"
    start.sign_in()
    expect(start.main.get_by_role("heading", level=1)).to_contain_text("等级规则")
    start.page.get_by_role("button", name="English").click()
    expect(start.main.get_by_role("heading", level=1)).to_contain_text("Levels and rules")


def test_credentials_and_tokens_are_only_in_memory(console: Console) -> None:
    page = console.page
    stored = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    )
    assert console.stack.app_secret not in stored
    assert "token" not in stored
    assert page.context.cookies() == []
    page.reload()
    expect(page.locator("[name=secret]")).to_have_value("")
    expect(page.get_by_role("navigation")).to_have_count(0)


def test_signing_out_leaves_nothing(console: Console) -> None:
    console.page.get_by_role("button", name="Sign out").click()
    expect(console.page.locator("[name=secret]")).to_have_value("")
    console.page.go_back()
    expect(console.page.get_by_role("navigation")).to_have_count(0)


@pytest.mark.parametrize(
    ("scopes", "views", "absent"),
    [
        (
            ("member:read",),
            ["Levels and rules", "Demotion", "Members"],
            ["Preview how many move", "Add a level", "Count who would be demoted", "Check"],
        ),
        (("shop:read",), ["Shop levels"], []),
        (("upbot:find",), ["Audience"], ["Check"]),
        (("facts:read",), [], []),
    ],
    ids=["members", "shop", "audience", "nothing"],
)
def test_scopes_decide_what_is_shown(
    start: Console, scopes: tuple[str, ...], views: list[str], absent: list[str]
) -> None:
    appid = f"only-{'-'.join(scopes).replace(':', '-')}"
    apps = Apps(start.stack.store)
    secret = apps.create(appid, scopes)
    try:
        start.sign_in(appid, secret)
        if not views:
            expect(start.main).to_contain_text("no scope that the console can use")
            return
        links = start.page.get_by_role("navigation").get_by_role("link")
        expect(links).to_have_text(views)
        for name in views:
            links.get_by_text(name, exact=True).click()
            expect(start.main.get_by_role("heading", level=1)).to_contain_text(name)
            for missing in absent:
                expect(start.button(missing)).to_have_count(0)
    finally:
        apps.revoke(appid)


def test_a_member_without_the_scope_to_write_has_no_form(start: Console) -> None:
    secret = Apps(start.stack.store).create("reader", ["member:read"])
    start.sign_in("reader", secret)
    start.open("member/3dfg4df")
    expect(start.main).to_contain_text("1,500 points")
    expect(start.main.get_by_role("button")).to_have_count(0)
    Apps(start.stack.store).revoke("reader")


def _pair(console: Console) -> dict[str, Any]:
    """Signs in and returns the tokens that the page got."""
    with console.page.expect_response(lambda found: TOKENS in found.url) as answer:
        console.sign_in()
    expect(console.page.locator(".ladder")).to_be_visible()
    pair = json.loads(answer.value.body())["data"]
    assert isinstance(pair, dict)
    return pair


def _expire(console: Console, pair: dict[str, Any], *stored: str) -> None:
    """Deletes tokens, and waits until member_level, which knows them for a second, has noticed."""
    console.stack.store.delete(*stored)
    request = console.page.request
    url, headers = (
        f"{console.stack.gateway}/vipBiz/version",
        {"authorization": pair["access_token"]},
    )
    until(lambda: request.get(url, headers=headers).status == 401, "the token is refused")


def test_an_expired_token_is_refreshed_once_for_all_calls(start: Console) -> None:
    pair = _pair(start)
    refreshes: list[Request] = []
    start.page.on(
        "request", lambda each: refreshes.append(each) if "RefreshToken" in each.url else None
    )
    _expire(start, pair, keys.token(digest(pair["access_token"])))
    start.open("member/3dfg4df")  # two calls at the same time
    expect(start.main).to_contain_text("1,500 points")
    assert len(refreshes) == 1


def test_an_ended_session_keeps_the_draft_until_the_user_signs_in_again(start: Console) -> None:
    pair = _pair(start)
    start.field("Name").first.fill("Draft name")
    access, refresh = digest(pair["access_token"]), digest(pair["refresh_token"])
    _expire(start, pair, keys.token(access), keys.refresh_token(refresh))
    start.button("Preview how many move").click()
    start.says("The session has ended")
    start.sign_in()
    expect(start.field("Name").first).to_have_value("Draft name")
    start.button("Preview how many move").click()
    expect(start.main).to_contain_text("Nobody moves.")


def test_an_unreachable_gateway_loses_nothing(console: Console) -> None:
    console.field("Name").first.fill("Draft name")
    console.page.route("**/vipBiz/preview", lambda route: route.abort())
    console.button("Preview how many move").click()
    console.says("The gateway does not answer")
    expect(console.field("Name").first).to_have_value("Draft name")
    console.page.unroute_all()
    console.button("Preview how many move").click()
    expect(console.main).to_contain_text("Nobody moves.")


def _refuse_once(page: Page, path: str, retry_after: str) -> None:
    headers = {"x-levelgate-reason": "RATE_LIMITED", "retry-after": retry_after}
    body = json.dumps({"ret": 1006, "code": "error", "msg": "请求过于频繁", "data": None})
    page.route(
        path,
        lambda route: route.fulfill(
            status=429, headers=headers, body=body, content_type="application/json"
        ),
        times=1,
    )


def test_a_rate_limit_says_when_to_try_again(console: Console) -> None:
    console.field("Name").first.fill("Draft name")
    _refuse_once(console.page, "**/vipBiz/preview", "7")
    console.button("Preview how many move").click()
    console.says("Try again in 7 s.")


def test_a_search_waits_as_long_as_a_rate_limit_asks(console: Console) -> None:
    console.open("members")
    console.field("Id, or its beginning").fill("3df")
    _refuse_once(console.page, "**/members/search*", "1")
    console.button("Search").click()
    expect(console.main.get_by_role("link", name="3dfg4df")).to_be_visible()
