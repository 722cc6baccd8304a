"""Tokens: opaque random strings, of which the store holds only a digest, with a time to live.

docs/api has no word on them; the design's section "upbot" says what holds.
"""

import json
import time
from collections.abc import Callable
from typing import NamedTuple

from services.access.apps import App, Apps
from services.access.secrets import digest, new_secret
from services.store import keys
from services.store.store import Store

ACCESS_SECONDS = 7_200
REFRESH_SECONDS = 30 * 86_400
MEMBER_SECONDS = 7_200
# How long a refreshed pair lives on.
SUPERSEDED_SECONDS = 300
LIVE_PAIRS = 20

# Adds a pair to its app's list and takes the oldest ones over the limit out of it.
_ADD_PAIR = """
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
if over <= 0 then return {} end
local oldest = redis.call('ZRANGE', KEYS[1], 0, over - 1)
redis.call('ZREM', KEYS[1], unpack(oldest))
return oldest
"""


class Grant(NamedTuple):
    """What a live token allows: an app its scopes, or a member to be itself."""

    appid: str
    scopes: frozenset[str]
    member: str | None


class Pair(NamedTuple):
    """What an app gets; the only moment at which the tokens are known."""

    access_token: str
    refresh_token: str
    scope: str


class Tokens:
    """The tokens in the store. Every method raises redis.RedisError where it does not serve."""

    def __init__(self, store: Store, apps: Apps, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._apps = apps
        self._now = now
        self._add_pair = store.register_script(_ADD_PAIR)

    def find(self, token: str) -> Grant | None:
        """What the token allows; None for an unknown, expired or revoked one."""
        packed = self._store.get(keys.token(digest(token)))
        if packed is None:
            return None
        fields = json.loads(packed)
        member = fields.get("member")
        if member is not None and not self._is_live(fields["app"]):
            # Members' tokens are too many to list for revoke_all: they die with their app here.
            return None
        return Grant(fields["app"], frozenset(fields["scope"].split()), member)

    def issue(self, app: App) -> Pair | None:
        """A new pair; the app's oldest goes if there are too many. None if the app was revoked."""
        pair = Pair(new_secret(), new_secret(), " ".join(app.scopes))
        access, refresh = digest(pair.access_token), digest(pair.refresh_token)
        # Listed before it is live: a token that is not listed could not be revoked.
        over = self._add_pair(
            [keys.app_tokens(app.appid)],
            [int(self._now() * 1_000_000), f"{access} {refresh}", LIVE_PAIRS, REFRESH_SECONDS],
        )
        self._write(keys.token(access), ACCESS_SECONDS, app=app.appid, scope=pair.scope)
        self._write(keys.refresh_token(refresh), REFRESH_SECONDS, app=app.appid, access=access)
        for listed in over:
            self._end(listed)
        # A revocation that listed the tokens before this one was added has to be seen here.
        if not self._is_live(app.appid):
            self._end(f"{access} {refresh}".encode())
            return None
        return pair

    def refresh(self, appid: str, refresh_token: str) -> Pair | None:
        """A new pair for an old one, which lives 5 minutes more so that the call can be repeated.

        None for an unknown or expired refresh token, or one of another app.
        """
        refresh = digest(refresh_token)
        packed = self._store.get(keys.refresh_token(refresh))
        fields = {} if packed is None else json.loads(packed)
        app = self._apps.get(appid)
        if app is None or fields.get("app") != appid:
            return None
        pair = self.issue(app)
        if pair is not None:
            for key in (keys.token(fields["access"]), keys.refresh_token(refresh)):
                # LT: what a repeat finds superseded already does not get 5 minutes anew.
                self._store.expire(key, SUPERSEDED_SECONDS, lt=True)
        return pair

    def issue_member(self, appid: str, user: str) -> str:
        """A session token that speaks for one member."""
        token = new_secret()
        self._write(keys.token(digest(token)), MEMBER_SECONDS, app=appid, scope="", member=user)
        return token

    def revoke_all(self, appid: str) -> int:
        """Ends all token pairs of an app; returns how many were listed."""
        listed = self._store.zrange(keys.app_tokens(appid), 0, -1)
        for pair in listed:
            self._end(pair)
        self._store.delete(keys.app_tokens(appid))
        return len(listed)

    def _is_live(self, appid: str) -> bool:
        app = self._apps.get(appid)
        return app is not None and not app.revoked

    def _write(self, key: str, seconds: int, **fields: str) -> None:
        self._store.set(key, json.dumps(fields), ex=seconds)

    def _end(self, listed: bytes) -> None:
        access, refresh = listed.decode().split(" ")
        # One by one: on a cluster the two lie on different slots.
        self._store.delete(keys.token(access))
        self._store.delete(keys.refresh_token(refresh))
