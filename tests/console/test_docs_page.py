"""The reference page at /docs/, in a browser and with the real suite."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.conftest import PATIENCE_MS, Seen, serious_problems
from tests.support.running import ROOT, RunningStack

WEB = ROOT / "gateway" / "web" / "docs"
FIRST = "#operations-upbot-CheckUserXYLevel"
LANGUAGES = {"en-GB": ("Get a token", "The first call"), "zh-CN": ("获取令牌", "第一次调用")}
PHONE = {"width": 360, "height": 740}


@pytest.fixture
def seen(stack: RunningStack) -> Seen:
    return Seen(stack.gateway)


@pytest.fixture
def page(browser: Browser, stack: RunningStack, seen: Seen) -> Iterator[Page]:
    stack.reset()
    yield from _opened(browser, stack, seen)
    assert not seen.errors
    assert not seen.elsewhere


def _opened(browser: Browser, stack: RunningStack, seen: Seen, **options: object) -> Iterator[Page]:
    context = browser.new_context(**{"locale": "en-GB", **options})  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page = context.new_page()
    seen.watch(page)
    page.goto(f"{stack.gateway}/docs/")
    expect(page.locator(FIRST)).to_be_visible()
    yield page
    context.close()


def _get_token(page: Page, stack: RunningStack, secret: str = "") -> None:
    page.fill("[name=appid]", stack.appid)
    page.fill("[name=app_secret]", secret or stack.app_secret)
    page.press("[name=app_secret]", "Enter")


def test_a_newcomer_gets_a_token_and_makes_the_first_check(page: Page, stack: RunningStack) -> None:
    _get_token(page, stack)
    expect(page.locator("#said")).to_contain_text("The token is set")
    page.click("#open")
    page.click(f"{FIRST} .try-out__btn")
    # The first example of the document is filled in, with the name that stays.
    expect(page.locator(f"{FIRST} .body-param__text")).to_have_value(re.compile('"levels"'))
    page.click(f"{FIRST} .execute")
    reply = page.locator(f"{FIRST} .live-responses-table")
    expect(reply).to_contain_text('"ok": true')
    expect(reply.locator(".response-col_status").last).to_contain_text("200")


def test_a_call_without_a_token_says_what_is_missing(page: Page) -> None:
    page.click("#open")
    page.click(f"{FIRST} .try-out__btn")
    page.click(f"{FIRST} .execute")
    reply = page.locator(f"{FIRST} .live-responses-table")
    expect(reply).to_contain_text("401")
    expect(reply).to_contain_text("TOKEN_MISSING")


def test_a_wrong_secret_is_said_and_the_form_stays(page: Page, stack: RunningStack) -> None:
    _get_token(page, stack, secret="wrong")
    expect(page.locator("#said")).to_contain_text("The id or the secret is wrong")
    assert page.input_value("[name=appid]") == stack.appid


def test_an_unreachable_gateway_is_said(page: Page, stack: RunningStack) -> None:
    page.route("**/GetAccessToken", lambda route: route.abort())
    _get_token(page, stack)
    expect(page.locator("#said")).to_contain_text("The gateway does not answer")


def test_the_token_stays_in_the_memory_of_the_page(page: Page, stack: RunningStack) -> None:
    _get_token(page, stack)
    expect(page.locator("#said")).to_contain_text("The token is set")
    stored = page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]")
    assert stored == ["", 0, 0]


@pytest.mark.parametrize("locale", LANGUAGES)
def test_both_languages_have_no_serious_problem(
    browser: Browser, stack: RunningStack, seen: Seen, locale: str
) -> None:
    for page in _opened(browser, stack, seen, locale=locale):
        button, heading = LANGUAGES[locale]
        expect(page.get_by_role("button", name=button)).to_be_visible()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        # Swagger UI writes everything inside of its element; its colours are not ours.
        assert serious_problems(page, without="#swagger") == []
    assert not seen.errors
    assert not seen.elsewhere


def test_the_language_changes_the_page_and_the_document_and_keeps_the_token(
    page: Page, stack: RunningStack
) -> None:
    _get_token(page, stack)
    expect(page.locator("#said")).to_contain_text("The token is set")
    page.click("#language")
    expect(page.locator("#said")).to_contain_text("令牌已用于下面的所有接口")
    expect(page.locator(FIRST)).to_contain_text("检测用户的等级是否是其中之一")
    assert page.get_attribute("html", "lang") == "zh"
    # A closed lock: Swagger UI has the token.
    expect(
        page.locator(f"{FIRST} .authorization__btn.locked, {FIRST} .locked").first
    ).to_be_visible()


def test_every_text_is_used_and_has_the_same_places_in_both_languages(page: Page) -> None:
    texts = page.evaluate("import('/docs/texts.js').then(module => module.texts)")
    used = "".join((WEB / name).read_text() for name in ("index.html", "docs.js", "texts.js"))
    for name, (english, chinese) in texts.items():
        assert re.findall(r"{\w+}", english) == re.findall(r"{\w+}", chinese), name
        assert used.count(f'"{name}"') > ("." in name), name


def test_a_phone_needs_no_scrolling_to_the_side(
    browser: Browser, stack: RunningStack, seen: Seen
) -> None:
    for page in _opened(browser, stack, seen, viewport=PHONE):
        expect(page.locator(f"{FIRST} .opblock-summary-description")).to_be_visible()
        page.click("#open")
        expect(page.locator(f"{FIRST} .try-out__btn")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
