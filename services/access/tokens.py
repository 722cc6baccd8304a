"""Tokens: opaque random strings. The store holds only their digests, with a time to live.

docs/design.md, "upbot: tokens", describes their rules, and docs/adr/0011 how they are stored.
"""

import json
from importlib.resources import files
from typing import NamedTuple

from services.access.apps import App, unpack
from services.access.secrets import digest, new_secret
from services.store import keys
from services.store.scripts import NamedScript
from services.store.store import Store

ACCESS_SECONDS = 7_200
REFRESH_SECONDS = 30 * 86_400
MEMBER_SECONDS = 7_200
# How long a pair stays valid after it was refreshed, so that the call can be repeated.
SUPERSEDED_SECONDS = 300
# The most live pairs of an app, and also the most superseded ones.
LIVE_PAIRS = 20

# Reads a token and its app at the same moment.
_FIND = """
local token = redis.call('GET', token_key)
if not token then return false end
return { token, redis.call('GET', app_prefix .. cjson.decode(token).app) }
"""
_ISSUE_MEMBER = """
if not is_active(app_key, generation) then return 0 end
redis.call('SET', token_key, token_fields, 'EX', seconds)
note_token(last_key, appid, generation)
return 1
"""


class Grant(NamedTuple):
    """What a live token allows: the scopes of an app, or the identity of one member."""

    appid: str
    scopes: frozenset[str]
    member: str | None
    generation: str = ""


class Pair(NamedTuple):
    """A new pair of tokens. Only their digests are stored."""

    access_token: str
    refresh_token: str
    scope: str


class Tokens:
    """The tokens in the store. Every method raises redis.RedisError if the store is unavailable.

    Each change is one script, so an interrupted call has changed everything or nothing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        folder = files(__package__)
        is_active, note_token, issue = (
            folder.joinpath(f"{name}.lua").read_text()
            for name in ("is_active", "note_token", "issue")
        )
        self._find = NamedScript(
            store, _FIND, keys="token_key", arguments="app_prefix", writes=False
        )
        self._issue = NamedScript(
            store,
            is_active + note_token + issue,
            keys="app_key live_key superseded_key last_key",
            arguments="appid generation access_prefix refresh_prefix new_pair access_fields"
            " refresh_fields refreshed access_seconds:int refresh_seconds:int"
            " superseded_seconds:int most_pairs:int",
        )
        self._issue_member = NamedScript(
            store,
            is_active + note_token + _ISSUE_MEMBER,
            keys="app_key token_key last_key",
            arguments="appid generation token_fields seconds:int",
        )

    def find(self, token: str) -> Grant | None:
        """What the token allows; None for an unknown, expired or revoked token."""
        found = self._active(keys.token(digest(token)))
        if found is None:
            return None
        fields, app = found
        scopes = frozenset(fields["scope"].split()) & frozenset(app.scopes)
        return Grant(app.appid, scopes, fields.get("member"), app.generation)

    def issue(self, app: App, refreshed: str = "") -> Pair | None:
        """A new pair, which may end the app's oldest one and supersedes the pair `refreshed`.

        None if the app was revoked, or if the refreshed pair has ended.
        """
        pair = Pair(new_secret(), new_secret(), " ".join(app.scopes))
        access, refresh = digest(pair.access_token), digest(pair.refresh_token)
        of = {"app": app.appid, "generation": app.generation}
        is_done = self._issue(
            app_key=keys.app(app.appid),
            live_key=keys.live_pairs(app.generation),
            superseded_key=keys.superseded_pairs(app.generation),
            last_key=keys.LAST_TOKENS,
            appid=app.appid,
            generation=app.generation,
            access_prefix=keys.token(""),
            refresh_prefix=keys.refresh_token(""),
            new_pair=f"{access} {refresh}",
            access_fields=_packed(**of, scope=pair.scope),
            refresh_fields=_packed(**of, access=access),
            refreshed=refreshed,
            access_seconds=ACCESS_SECONDS,
            refresh_seconds=REFRESH_SECONDS,
            superseded_seconds=SUPERSEDED_SECONDS,
            most_pairs=LIVE_PAIRS,
        )
        return pair if is_done else None

    def refresh(self, appid: str, refresh_token: str) -> Pair | None:
        """A new pair for an old one, which stays valid for SUPERSEDED_SECONDS.

        None for an unknown or expired refresh token, or one of another app.
        """
        refresh = digest(refresh_token)
        found = self._active(keys.refresh_token(refresh))
        if found is None:
            return None
        fields, app = found
        return self.issue(app, f"{fields['access']} {refresh}") if app.appid == appid else None

    def issue_member(self, appid: str, generation: str, user: str) -> str | None:
        """A session token of one member. None if the app was revoked."""
        token = new_secret()
        fields = _packed(app=appid, generation=generation, scope="", member=user)
        is_done = self._issue_member(
            app_key=keys.app(appid),
            token_key=keys.token(digest(token)),
            last_key=keys.LAST_TOKENS,
            appid=appid,
            generation=generation,
            token_fields=fields,
            seconds=MEMBER_SECONDS,
        )
        return token if is_done else None

    def delete_all(self, app: App) -> None:
        """Deletes the pairs of a revoked app, which are no longer valid, to free memory."""
        for listed in (keys.live_pairs(app.generation), keys.superseded_pairs(app.generation)):
            for pair in self._store.zrange(listed, 0, -1):
                access, refresh = pair.decode().split(" ")
                self._store.delete(keys.token(access), keys.refresh_token(refresh))
            self._store.delete(listed)

    def _active(self, key: str) -> tuple[dict[str, str], App] | None:
        """The stored fields of a token, and its app; None unless that app still is active."""
        found = self._find(token_key=key, app_prefix=keys.app(""))
        if found is None or found[1] is None:
            return None
        fields, app = json.loads(found[0]), unpack(found[1])
        return None if app.revoked or app.generation != fields["generation"] else (fields, app)


def _packed(**fields: str) -> str:
    return json.dumps(fields)
