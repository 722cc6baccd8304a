"""Tokens: opaque random strings, of which the store holds only a digest, with a time to live.

docs/api has no word on them; the design's section "upbot" says what holds, docs/adr/0011 how.
"""

import json
from importlib.resources import files
from typing import NamedTuple

from services.access.apps import App, unpack
from services.access.secrets import digest, new_secret
from services.store import keys
from services.store.store import Store

ACCESS_SECONDS = 7_200
REFRESH_SECONDS = 30 * 86_400
MEMBER_SECONDS = 7_200
# How long a refreshed pair lives on.
SUPERSEDED_SECONDS = 300
# Of an app: so many pairs are live, and as many superseded.
LIVE_PAIRS = 20

# A token and its app, of one moment.
_FIND = """
local token = redis.call('GET', KEYS[1])
if not token then return false end
return { token, redis.call('GET', ARGV[1] .. cjson.decode(token).app) }
"""
_ISSUE_MEMBER = """
if not is_active(KEYS[1], ARGV[1]) then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return 1
"""


class Grant(NamedTuple):
    """What a live token allows: an app its scopes, or a member to be itself."""

    appid: str
    scopes: frozenset[str]
    member: str | None
    generation: str = ""


class Pair(NamedTuple):
    """What an app gets; the only moment at which the tokens are known."""

    access_token: str
    refresh_token: str
    scope: str


class Tokens:
    """The tokens in the store. Every method raises redis.RedisError where it does not serve.

    Each does what it does by one script: a call that is broken off changed everything or nothing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        folder = files(__package__)
        is_active = folder.joinpath("is_active.lua").read_text()
        issue = folder.joinpath("issue.lua").read_text()
        self._find = store.register_script(_FIND, writes=False)
        self._issue = store.register_script(is_active + issue)
        self._issue_member = store.register_script(is_active + _ISSUE_MEMBER)

    def find(self, token: str) -> Grant | None:
        """What the token allows; None for an unknown, expired or revoked one."""
        found = self._active(keys.token(digest(token)))
        if found is None:
            return None
        fields, app = found
        scopes = frozenset(fields["scope"].split()) & frozenset(app.scopes)
        return Grant(app.appid, scopes, fields.get("member"), app.generation)

    def issue(self, app: App) -> Pair | None:
        """A new pair; the app's oldest goes if there are too many. None if the app was revoked."""
        return self._new_pair(app)

    def refresh(self, appid: str, refresh_token: str) -> Pair | None:
        """A new pair for an old one, which lives 5 minutes more so that the call can be repeated.

        None for an unknown or expired refresh token, or one of another app.
        """
        refresh = digest(refresh_token)
        found = self._active(keys.refresh_token(refresh))
        if found is None:
            return None
        fields, app = found
        return self._new_pair(app, f"{fields['access']} {refresh}") if app.appid == appid else None

    def issue_member(self, appid: str, generation: str, user: str) -> str | None:
        """A session token that speaks for one member. None if the app was revoked."""
        token = new_secret()
        fields = _packed(app=appid, generation=generation, scope="", member=user)
        is_done = self._issue_member(
            [keys.app(appid), keys.token(digest(token))], [generation, fields, MEMBER_SECONDS]
        )
        return token if is_done else None

    def delete_all(self, app: App) -> None:
        """Frees what the pairs of a revoked app take; they have not been good since then."""
        for listed in (keys.live_pairs(app.generation), keys.superseded_pairs(app.generation)):
            for pair in self._store.zrange(listed, 0, -1):
                access, refresh = pair.decode().split(" ")
                self._store.delete(keys.token(access), keys.refresh_token(refresh))
            self._store.delete(listed)

    def _active(self, key: str) -> tuple[dict[str, str], App] | None:
        """What is stored of a token, and its app; None unless the app is the token's and active."""
        found = self._find([key], [keys.app("")])
        if found is None or found[1] is None:
            return None
        fields, app = json.loads(found[0]), unpack(found[1])
        return None if app.revoked or app.generation != fields["generation"] else (fields, app)

    def _new_pair(self, app: App, refreshed: str = "") -> Pair | None:
        pair = Pair(new_secret(), new_secret(), " ".join(app.scopes))
        access, refresh = digest(pair.access_token), digest(pair.refresh_token)
        of = {"app": app.appid, "generation": app.generation}
        is_done = self._issue(
            [
                keys.app(app.appid),
                keys.live_pairs(app.generation),
                keys.superseded_pairs(app.generation),
            ],
            [
                app.generation,
                *(keys.token(""), keys.refresh_token("")),
                f"{access} {refresh}",
                _packed(**of, scope=pair.scope),
                _packed(**of, access=access),
                refreshed,
                *(ACCESS_SECONDS, REFRESH_SECONDS, SUPERSEDED_SECONDS, LIVE_PAIRS),
            ],
        )
        return pair if is_done else None


def _packed(**fields: str) -> str:
    return json.dumps(fields)
