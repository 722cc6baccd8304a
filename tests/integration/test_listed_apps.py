"""Apps are listed in pages, with the time at which they last got a token."""

import time

import pytest

from services.access.apps import App, Apps, ListedApp
from services.access.tokens import Tokens
from services.store import keys
from services.store.store import Store


@pytest.fixture
def apps(store: Store) -> Apps:
    return Apps(store)


def created(apps: Apps, appid: str = "app") -> App:
    apps.create(appid, ["upbot:check"])
    app = apps.get(appid)
    assert app is not None
    return app


def last_token(apps: Apps, appid: str = "app") -> int | None:
    return {listed.app.appid: listed.last_token for listed in apps.list()}[appid]


def forget(store: Store) -> None:
    store.delete(keys.LAST_TOKENS)


def test_every_way_to_get_a_token_is_recorded(store: Store, apps: Apps) -> None:
    tokens, app = Tokens(store), created(apps)
    assert last_token(apps) is None
    before = int(time.time())
    pair = tokens.issue(app)
    assert pair is not None
    assert before <= (last_token(apps) or 0) <= time.time()
    forget(store)
    assert tokens.refresh("app", pair.refresh_token) is not None
    assert last_token(apps) is not None
    forget(store)
    assert tokens.issue_member("app", app.generation, "joe") is not None
    assert last_token(apps) is not None


def test_a_refused_call_is_not_recorded(store: Store, apps: Apps) -> None:
    tokens, app = Tokens(store), created(apps)
    pair = tokens.issue(app)
    assert pair is not None
    forget(store)
    apps.revoke("app")
    assert tokens.issue(app) is None
    assert tokens.refresh("app", pair.refresh_token) is None
    assert tokens.refresh("app", "wrong") is None
    assert tokens.issue_member("app", app.generation, "joe") is None
    assert last_token(apps) is None


def test_an_app_does_not_show_the_token_of_a_revoked_app_with_its_name(
    store: Store, apps: Apps
) -> None:
    tokens = Tokens(store)
    for _ in range(3):
        app = created(apps)
        assert last_token(apps) is None
        assert tokens.issue(app) is not None
        apps.revoke("app")
        # A revoked app still shows when it got its last token.
        assert last_token(apps) is not None
    assert len(store.hgetall(keys.LAST_TOKENS)) == 1


APPIDS = ["a", "a b", "B", '"\\', "{x}", "é", "用户", *(f"n{number}" for number in range(250))]


@pytest.mark.parametrize("size", [1, 7, 100, 1_000])
def test_the_pages_together_are_all_apps_by_appid(store: Store, apps: Apps, size: int) -> None:
    for appid in APPIDS[: 20 if size == 1 else None]:
        app = created(apps, appid)
        if appid.startswith("n1"):
            assert Tokens(store).issue(app) is not None
    apps.revoke("a")
    # A command that was interrupted after the first of its two steps has left these.
    store.sadd(keys.APPS, "a0", "zz", "zzz")
    found: list[ListedApp] = []
    after, has_more = "", True
    while has_more:
        page, has_more = apps.page(size, after)
        assert 0 < len(page) <= size
        assert len(page) == size or not has_more
        found += page
        after = page[-1].app.appid
    assert found == list(apps.list())
    appids = [listed.app.appid for listed in found]
    assert appids == sorted(APPIDS[: 20 if size == 1 else None])
    assert [listed.app.revoked for listed in found] == [appid == "a" for appid in appids]
    assert all(
        (listed.last_token is not None) == listed.app.appid.startswith("n1") for listed in found
    )
    assert apps.page(size, after) == ([], False)
