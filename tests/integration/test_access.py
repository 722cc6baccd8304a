"""Apps and tokens: which are valid, for how long, and that the store reveals no secret."""

import hashlib
import hmac
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from services.access import secrets
from services.access.apps import AppExistsError, AppRevokedError, Apps, UnknownAppError
from services.access.secrets import digest
from services.access.tokens import (
    ACCESS_SECONDS,
    LIVE_PAIRS,
    REFRESH_SECONDS,
    SUPERSEDED_SECONDS,
    Pair,
    Tokens,
)
from services.store import keys
from services.store.scripts import Script
from services.store.store import Store
from tests.support.watched_store import WatchedStore


@pytest.fixture
def apps(store: Store) -> Apps:
    return Apps(store)


@pytest.fixture
def tokens(store: Store) -> Tokens:
    return Tokens(store)


def issued(apps: Apps, tokens: Tokens, appid: str = "app") -> Pair:
    app = apps.get(appid)
    assert app is not None
    pair = tokens.issue(app)
    assert pair is not None
    return pair


def member_token(apps: Apps, tokens: Tokens, appid: str = "app") -> str:
    app = apps.get(appid)
    assert app is not None
    token = tokens.issue_member(appid, app.generation, "joe")
    assert token is not None
    return token


def seconds_left(store: Store, key: str) -> int:
    return int(Script(store, "return redis.call('TTL', KEYS[1])")([key]))


def test_an_app_authenticates_with_its_secret_only(apps: Apps) -> None:
    secret = apps.create("app", ["upbot:check"])
    assert apps.authenticate("app", secret) is not None
    assert apps.authenticate("app", secret + "x") is None
    assert apps.authenticate("other", secret) is None


@dataclass
class Steps:
    """How often a secret was hashed and how often it was compared with a stored digest."""

    hashes: int = 0
    comparisons: int = 0


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    counted = Steps()

    def sha256(text: bytes) -> "hashlib._Hash":
        counted.hashes += 1
        return hashlib.sha256(text)

    def compare_digest(one: str, other: str) -> bool:
        assert len(one) == len(other) == 64
        counted.comparisons += 1
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(secrets, "hashlib", SimpleNamespace(sha256=sha256))
    monkeypatch.setattr(secrets, "hmac", SimpleNamespace(compare_digest=compare_digest))
    return counted


def test_an_authentication_takes_the_same_steps_whatever_is_wrong_or_right(
    store: Store, steps: Steps
) -> None:
    watched = WatchedStore(store)
    apps = Apps(watched.as_store())
    first = apps.create("one", ["upbot:check"])
    apps.create("two", ["upbot:check"])
    second = apps.rotate("two")
    revoked = apps.create("revoked", ["upbot:check"])
    apps.revoke("revoked")
    steps.hashes = steps.comparisons = 0
    tried = [
        ("one", first, True),
        ("two", second, True),
        ("one", "wrong", False),
        ("two", "wrong", False),
        ("two", first, False),
        ("revoked", revoked, False),
        ("unknown", first, False),
    ]
    watched.commands.clear()
    for number, (appid, secret, is_right) in enumerate(tried, 1):
        assert (apps.authenticate(appid, secret) is not None) == is_right, appid
        assert (steps.hashes, steps.comparisons) == (number, 2 * number), appid
        assert watched.commands == ["get"] * number, appid


def test_a_refresh_takes_the_same_steps_whatever_is_wrong(
    store: Store, apps: Apps, tokens: Tokens, steps: Steps
) -> None:
    for appid in ("one", "other", "revoked"):
        apps.create(appid, ["upbot:check"])
    others, revoked = issued(apps, tokens, "other"), issued(apps, tokens, "revoked")
    apps.revoke("revoked")
    tokens.refresh("one", "wrong")  # The store knows the script from here on.
    steps.hashes = 0
    tried = [
        *[(appid, "wrong") for appid in ("one", "revoked", "unknown")],
        *[(appid, others.refresh_token) for appid in ("one", "revoked", "unknown")],
        ("revoked", revoked.refresh_token),
    ]
    watched = WatchedStore(store)
    for number, (appid, token) in enumerate(tried, 1):
        assert Tokens(watched.as_store()).refresh(appid, token) is None
        assert (steps.hashes, watched.commands) == (number, ["evalsha"] * number), appid


def test_an_app_can_be_created_once(apps: Apps) -> None:
    secret = apps.create("app", ["upbot:check"])
    with pytest.raises(AppExistsError):
        apps.create("app", ["shop:admin"])
    app = apps.authenticate("app", secret)
    assert app is not None
    assert app.scopes == ("upbot:check",)


def test_two_secrets_are_valid_during_a_rotation(apps: Apps) -> None:
    first = apps.create("app", ["upbot:check"])
    second = apps.rotate("app")
    assert apps.authenticate("app", first) is not None
    assert apps.authenticate("app", second) is not None
    third = apps.rotate("app")
    assert apps.authenticate("app", first) is None
    assert apps.authenticate("app", second) is not None
    assert apps.authenticate("app", third) is not None


def test_a_revocation_ends_an_app_and_its_tokens_for_good(apps: Apps, tokens: Tokens) -> None:
    secret = apps.create("app", ["token:member"])
    pair = issued(apps, tokens)
    member = member_token(apps, tokens)
    apps.revoke("app")
    assert apps.authenticate("app", secret) is None
    assert tokens.find(pair.access_token) is None
    assert tokens.refresh("app", pair.refresh_token) is None
    assert tokens.find(member) is None
    with pytest.raises(AppRevokedError):
        apps.rotate("app")


def test_changes_of_an_unknown_app_fail(apps: Apps) -> None:
    with pytest.raises(UnknownAppError):
        apps.rotate("nobody")
    with pytest.raises(UnknownAppError):
        apps.revoke("nobody")


def test_a_pair_lives_two_hours_and_thirty_days(store: Store, apps: Apps, tokens: Tokens) -> None:
    apps.create("app", ["upbot:check", "shop:read"])
    pair = issued(apps, tokens)
    grant = tokens.find(pair.access_token)
    assert grant is not None
    assert grant.scopes == {"upbot:check", "shop:read"}
    access = seconds_left(store, keys.token(digest(pair.access_token)))
    refresh = seconds_left(store, keys.refresh_token(digest(pair.refresh_token)))
    assert ACCESS_SECONDS - 60 <= access <= ACCESS_SECONDS == 7_200
    assert REFRESH_SECONDS - 60 <= refresh <= REFRESH_SECONDS == 30 * 86_400


def test_an_app_keeps_its_last_twenty_pairs(apps: Apps, tokens: Tokens) -> None:
    apps.create("app", ["upbot:check"])
    pairs = [issued(apps, tokens) for _ in range(LIVE_PAIRS + 2)]
    live = [tokens.find(pair.access_token) is not None for pair in pairs]
    assert live == [False, False] + [True] * 20
    assert tokens.refresh("app", pairs[0].refresh_token) is None


def test_a_refreshed_pair_stays_valid_for_five_minutes(
    store: Store, apps: Apps, tokens: Tokens
) -> None:
    apps.create("app", ["upbot:check"])
    old = issued(apps, tokens)
    new = tokens.refresh("app", old.refresh_token)
    assert new is not None
    assert tokens.find(new.access_token) is not None
    old_keys = (
        keys.token(digest(old.access_token)),
        keys.refresh_token(digest(old.refresh_token)),
    )
    for key in old_keys:
        assert SUPERSEDED_SECONDS - 60 <= seconds_left(store, key) <= SUPERSEDED_SECONDS == 300
    # A refresh can be repeated after a lost reply, which does not extend the superseded pair.
    ends_soon = Script(store, "return redis.call('EXPIRE', KEYS[1], 10)")
    for key in old_keys:
        ends_soon([key])
    assert tokens.refresh("app", old.refresh_token) is not None
    assert max(seconds_left(store, key) for key in old_keys) <= 10


def test_a_refresh_token_works_only_for_its_app(apps: Apps, tokens: Tokens) -> None:
    apps.create("app", ["upbot:check"])
    apps.create("other", ["shop:admin"])
    pair = issued(apps, tokens)
    assert tokens.refresh("other", pair.refresh_token) is None
    assert tokens.refresh("app", pair.access_token) is None
    assert tokens.refresh("app", "") is None


def test_the_store_holds_no_secret_and_no_token(store: Store, apps: Apps, tokens: Tokens) -> None:
    secrets = [apps.create("app", ["upbot:check"]), apps.rotate("app")]
    pair = issued(apps, tokens)
    held = [*secrets, pair.access_token, pair.refresh_token, member_token(apps, tokens)]
    dump = Script(store, "return redis.call('DUMP', KEYS[1])")
    for key in store.scan_iter():
        stored = key + dump([key.decode()])
        for secret in held:
            assert secret.encode() not in stored
