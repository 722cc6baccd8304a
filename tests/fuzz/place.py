"""Where a running suite is, and the secrets that inputs name: given to every worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

from services.access.apps import Apps
from services.access.scopes import all_scopes
from services.access.tokens import Tokens
from services.store.store import Store
from tests.fuzz.inputs import SECRET_LENGTH


@dataclass(frozen=True)
class Place:
    """A suite that runs, and a store apart from it for records that no script wrote."""

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
    """Apps of the fuzzer's own. The one whose secret is in requests is another than the one whose
    tokens call: each pair that it is given may end an earlier one.
    """
    apps = Apps(store)
    tokens = Tokens(store, apps)
    mark = uuid4().hex
    secrets = {"appid": f"fuzz-{mark}".ljust(SECRET_LENGTH, "-")}
    for name, scopes in (
        ("all", all_scopes()),
        ("upbot:check", ["upbot:check"]),
        ("member:read", ["member:read"]),
    ):
        secrets[name] = _token(apps, tokens, f"fuzz-{mark}-{name.replace(':', '-')}", scopes)
    secrets["app_secret"] = apps.create(secrets["appid"], ["upbot:check"])
    app = apps.get(secrets["appid"])
    pair = tokens.issue(app) if app else None
    if pair is None:
        raise RuntimeError("the app that was just made is gone")
    secrets["refresh"] = pair.refresh_token
    secrets["member"] = tokens.issue_member(f"fuzz-{mark}-all", "joe")
    return secrets


def bystander_token(store: Store) -> str:
    """Of an app that no input knows."""
    apps = Apps(store)
    return _token(apps, Tokens(store, apps), f"bystander-{uuid4().hex}", all_scopes())


def _token(apps: Apps, tokens: Tokens, appid: str, scopes: list[str]) -> str:
    apps.create(appid, scopes)
    app = apps.get(appid)
    pair = tokens.issue(app) if app else None
    if pair is None:
        raise RuntimeError("the app that was just made is gone")
    return pair.access_token
