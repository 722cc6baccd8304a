"""The addresses of a running suite and the secrets of the inputs, for every worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

from services.access.apps import App, Apps
from services.access.scopes import all_scopes
from services.access.tokens import Pair, Tokens
from services.store.store import Store
from tests.fuzz.inputs import SECRET_LENGTH


@dataclass(frozen=True)
class Place:
    """A running suite, and a separate store for records that no script wrote."""

    gateway: str
    services: Mapping[str, str]
    redis: str
    record_store: str
    secrets: Mapping[str, str]

    def address(self, port: str) -> tuple[str, int]:
        where = urlsplit(self.gateway).netloc if port == "gateway" else self.services[port]
        host, _, number = where.rpartition(":")
        return host, int(number)


def make_secrets(store: Store) -> dict[str, str]:
    """Creates apps for the fuzzer. The app whose secret is in requests is not the one whose tokens
    are used for calls, because each new pair of tokens may end an earlier one.
    """
    apps, tokens = Apps(store), Tokens(store)
    mark = uuid4().hex
    caller = _app(apps, f"fuzz-{mark}", all_scopes())
    secrets = {
        "all": _pair(tokens, caller).access_token,
        "upbot:check": _pair(tokens, _app(apps, f"fuzz-{mark}-u", ["upbot:check"])).access_token,
        "member:read": _pair(tokens, _app(apps, f"fuzz-{mark}-m", ["member:read"])).access_token,
        "member": tokens.issue_member(caller.appid, caller.generation, "joe") or "",
        "appid": f"fuzz-{mark}".ljust(SECRET_LENGTH, "-"),
    }
    secrets["app_secret"] = apps.create(secrets["appid"], ["upbot:check"])
    app = apps.get(secrets["appid"])
    secrets["refresh"] = _pair(tokens, app).refresh_token if app else ""
    return secrets


def bystander_token(store: Store) -> str:
    """A token of an app that no input uses."""
    app = _app(Apps(store), f"bystander-{uuid4().hex}", all_scopes())
    return _pair(Tokens(store), app).access_token


def _app(apps: Apps, appid: str, scopes: list[str]) -> App:
    apps.create(appid, scopes)
    app = apps.get(appid)
    if app is None:
        raise RuntimeError("the new app is gone")
    return app


def _pair(tokens: Tokens, app: App) -> Pair:
    pair = tokens.issue(app)
    if pair is None:
        raise RuntimeError("the new app is revoked")
    return pair
