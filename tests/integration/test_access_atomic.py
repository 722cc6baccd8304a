"""Concurrent and interrupted changes of apps and tokens take effect entirely or not at all."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from services.access import secrets, tokens
from services.access.apps import App, AppRevokedError, Apps
from services.access.tokens import LIVE_PAIRS, REFRESH_SECONDS, SUPERSEDED_SECONDS, Pair, Tokens
from services.store import keys
from services.store.deadline import DeadlinePassedError
from services.store.scripts import Script
from services.store.store import Store
from tests.stack.waiting import until
from tests.support.watched_store import WatchedStore

# With characters that are special in JSON, in Lua or in the hash tag of a key.
APPID = '微信 😀 {a}"\\'


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects every token that is created, including those that no caller received."""
    found: list[str] = []

    def new_secret() -> str:
        found.append(secrets.new_secret())
        return found[-1]

    monkeypatch.setattr(tokens, "new_secret", new_secret)
    return found


def created(store: Store, appid: str = APPID) -> App:
    Apps(store).create(appid, ["upbot:check"])
    app = Apps(store).get(appid)
    assert app is not None
    return app


def issued(store: Store, app: App) -> Pair:
    pair = Tokens(store).issue(app)
    assert pair is not None
    return pair


def refreshed(store: Store, pair: Pair) -> Pair:
    new = Tokens(store).refresh(APPID, pair.refresh_token)
    assert new is not None
    return new


def alive(store: Store, *pairs: Pair) -> list[bool]:
    return [Tokens(store).find(pair.access_token) is not None for pair in pairs]


def token_keys(store: Store) -> list[bytes]:
    prefixes = (keys.token("").encode(), keys.refresh_token("").encode())
    return [key for key in store.scan_iter() if key.startswith(prefixes)]


CALLS: dict[str, Callable[[Tokens, App, Pair], object]] = {
    "issue": lambda tokens, app, _: tokens.issue(app),
    "refresh": lambda tokens, app, pair: tokens.refresh(app.appid, pair.refresh_token),
    "issue_member": lambda tokens, app, _: tokens.issue_member(app.appid, app.generation, "joe"),
}


@pytest.mark.stores("valkey")
@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_an_interrupted_call_leaves_no_token_that_outlives_its_app(
    store: Store, made: list[str], monkeypatch: pytest.MonkeyPatch, call: str, *, is_done: bool
) -> None:
    most = 3
    monkeypatch.setattr(tokens, "LIVE_PAIRS", most)
    for at in range(1, 9):
        app = created(store)
        pairs = [issued(store, app) for _ in range(most)]
        watched = WatchedStore(store, at, is_done=is_done)
        with suppress(DeadlinePassedError):
            CALLS[call](Tokens(watched.as_store()), app, pairs[-1])
        assert sum(alive(store, *pairs)) >= most - 1
        Apps(store).revoke(APPID)
        assert [token for token in made if Tokens(store).find(token)] == [], watched.commands
        Tokens(store).delete_all(app)
        if call != "issue_member":
            assert token_keys(store) == []


def test_no_token_outlives_a_concurrent_revocation(store: Store, made: list[str]) -> None:
    app = created(store)

    def ask(pair: Pair | None) -> None:
        while pair is not None:
            Tokens(store).issue(app)
            pair = Tokens(store).refresh(APPID, pair.refresh_token)

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, issued(store, app)) for _ in range(4)]
        until(lambda: len(made) > 100, "some tokens were issued")
        Apps(store).revoke(APPID)
        assert [token for token in list(made) if Tokens(store).find(token)] == []
    Tokens(store).delete_all(app)
    assert [each.result() for each in asking] == [None] * 4
    assert token_keys(store) == []


CHANGES: dict[str, Callable[[Apps], object]] = {
    "rotate": lambda apps: apps.rotate(APPID),
    "scopes": lambda apps: apps.set_scopes(APPID, ["shop:read"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_concurrent_change_does_not_undo_a_revocation(store: Store, change: str) -> None:
    app = created(store)
    watched = WatchedStore(store)
    watched.meanwhile = lambda: Apps(store).revoke(APPID)
    with pytest.raises(AppRevokedError):
        CHANGES[change](Apps(watched.as_store()))
    now = Apps(store).get(APPID)
    assert now is not None
    assert (now.revoked, now.secrets, now.scopes) == (True, (), app.scopes)


def test_superseded_pairs_do_not_count_among_the_live_ones(store: Store) -> None:
    app = created(store)
    pairs = [issued(store, app) for _ in range(LIVE_PAIRS)]
    new = refreshed(store, pairs[-1])
    assert alive(store, *pairs, new) == [True] * (LIVE_PAIRS + 1)
    more = issued(store, app)
    assert alive(store, *pairs, new, more) == [False] + [True] * (LIVE_PAIRS + 1)


def test_expired_pairs_do_not_count(store: Store) -> None:
    app = created(store)
    pairs = [issued(store, app) for _ in range(LIVE_PAIRS)]
    # As if the newest had been issued 30 days ago.
    end = Script(store, "redis.call('ZADD', KEYS[1], 1, redis.call('ZRANGE', KEYS[1], -1, -1)[1])")
    end([keys.live_pairs(app.generation)])
    more = issued(store, app)
    assert alive(store, *pairs[:-1], more) == [True] * LIVE_PAIRS


def test_refreshing_in_a_loop_neither_fills_the_store_nor_ends_other_pairs(store: Store) -> None:
    app = created(store)
    others = [issued(store, app) for _ in range(LIVE_PAIRS - 1)]
    chain = [issued(store, app)]
    for _ in range(2 * LIVE_PAIRS):
        chain.append(refreshed(store, chain[-1]))
    assert alive(store, *others) == [True] * (LIVE_PAIRS - 1)
    superseded = LIVE_PAIRS
    assert alive(store, *chain) == [False] * superseded + [True] * (superseded + 1)
    assert len(token_keys(store)) == 2 * (LIVE_PAIRS + superseded)
    assert Tokens(store).refresh(APPID, chain[0].refresh_token) is None


def test_superseded_pairs_end_in_order_and_their_list_expires(
    store: Store,
) -> None:
    app = created(store)
    pairs = [issued(store, app) for _ in range(LIVE_PAIRS)]
    for pair in (*pairs, pairs[0]):
        refreshed(store, pair)
    assert alive(store, *pairs) == [True] * LIVE_PAIRS
    refreshed(store, issued(store, app))
    assert alive(store, *pairs) == [False] + [True] * (LIVE_PAIRS - 1)
    seconds = Script(store, "return redis.call('TTL', KEYS[1])")
    assert 0 < seconds([keys.superseded_pairs(app.generation)]) <= SUPERSEDED_SECONDS
    assert 0 < seconds([keys.live_pairs(app.generation)]) <= REFRESH_SECONDS


def test_a_pair_that_is_deleted_during_its_refresh_is_not_replaced(store: Store) -> None:
    app = created(store)
    pair = issued(store, app)
    watched = WatchedStore(store)
    watched.meanwhile = lambda: [issued(store, app) for _ in range(LIVE_PAIRS)]
    assert Tokens(watched.as_store()).refresh(APPID, pair.refresh_token) is None
    assert len(token_keys(store)) == 2 * LIVE_PAIRS


def test_a_new_app_with_the_name_of_a_revoked_one_inherits_nothing(store: Store) -> None:
    old = created(store)
    first, second = issued(store, old), issued(store, old)
    third = refreshed(store, second)
    member = Tokens(store).issue_member(APPID, old.generation, "joe")
    assert member is not None
    # The worst case: the tokens of the revoked app were not deleted.
    Apps(store).revoke(APPID)
    tokens = Tokens(store)

    def check_nothing_is_left() -> None:
        assert alive(store, first, second, third) == [False] * 3
        assert tokens.find(member) is None
        assert tokens.refresh(APPID, first.refresh_token) is None
        assert tokens.issue(old) is None
        assert tokens.issue_member(APPID, old.generation, "joe") is None

    check_nothing_is_left()
    new = created(store)
    check_nothing_is_left()
    pair = issued(store, new)
    tokens.delete_all(old)
    assert alive(store, pair) == [True]
    assert len(token_keys(store)) == 2 + 1  # The member's token, which ends by itself.


def test_existing_tokens_lose_removed_scopes_and_get_no_new_ones(store: Store) -> None:
    apps, tokens = Apps(store), Tokens(store)
    apps.create(APPID, ["member:read", "upbot:check"])
    app = apps.get(APPID)
    assert app is not None
    pair = issued(store, app)
    apps.set_scopes(APPID, ["shop:read", "upbot:check"])
    grant = tokens.find(pair.access_token)
    assert grant is not None
    assert grant.scopes == {"upbot:check"}
    new = refreshed(store, pair)
    assert new.scope == "shop:read upbot:check"
    grant = tokens.find(new.access_token)
    assert grant is not None
    assert grant.scopes == {"shop:read", "upbot:check"}
