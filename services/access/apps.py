"""Apps: the callers that may request tokens, with their secrets and scopes."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from services.access.secrets import LIVE_SECRETS, digest, is_one_of, new_generation, new_secret
from services.store import keys
from services.store.batches import batched
from services.store.compare_and_set import CompareAndSet
from services.store.store import Store

_PAGE = 100


class UnknownAppError(Exception):
    """The app does not exist."""


class AppRevokedError(Exception):
    """The app was revoked, which cannot be undone: create another one, also under this name."""


class AppExistsError(Exception):
    """The app exists already."""


@dataclass(frozen=True)
class App:
    """An app. `created` is in seconds since 1970; `secrets` are digests, the newest one last.

    `generation` is random. It distinguishes apps that have had the same name.
    """

    appid: str
    generation: str
    scopes: tuple[str, ...]
    secrets: tuple[str, ...]
    created: int
    revoked: bool = False


class ListedApp(NamedTuple):
    """An app, and when it last got a token, in seconds since 1970; None if it never got one."""

    app: App
    last_token: int | None


class Apps:
    """The apps in the store. A secret is returned once, when it is created."""

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now
        self._compare_and_set = CompareAndSet(store)

    def get(self, appid: str) -> App | None:
        packed = self._store.get(keys.app(appid))
        return None if packed is None else unpack(packed)

    def authenticate(self, appid: str, secret: str) -> App | None:
        """The app, if it is not revoked and the secret is one of its secrets."""
        app = self.get(appid)
        # A revoked app has no secrets. The comparison is made for an unknown app, too, so that the
        # time does not tell which apps exist.
        is_right = is_one_of(secret, () if app is None else app.secrets)
        return app if is_right else None

    def page(self, size: int, after: str = "") -> tuple[Sequence[ListedApp], bool]:
        """Up to `size` apps by appid, revoked ones included, and whether there are more."""
        # All names are read, but only the apps of the page: operators create few apps.
        names = (name.decode() for name in self._store.smembers(keys.APPS))
        page: list[ListedApp] = []
        for appids in batched(sorted(name for name in names if name > after), size + 1):
            page += self._named(appids)
            if len(page) > size:
                return page[:size], True
        return page, False

    def list(self) -> Iterator[ListedApp]:
        """Every app by appid, revoked ones included."""
        page, has_more = self.page(_PAGE)
        yield from page
        while has_more:
            page, has_more = self.page(_PAGE, page[-1].app.appid)
            yield from page

    def _named(self, appids: Sequence[str]) -> Iterator[ListedApp]:
        """The apps of these names; a name without an app was left by an interrupted `create`."""
        found = self._store.get_many([keys.app(appid) for appid in appids])
        last = self._store.hmget(keys.LAST_TOKENS, appids)
        for packed, noted in zip(found, last, strict=True):
            if packed is not None:
                app = unpack(packed)
                yield ListedApp(app, _noted_time(noted, app.generation))

    def create(self, appid: str, scopes: Sequence[str]) -> str:
        """Creates an app, also under the name of a revoked one, and returns its secret.

        Raises AppExistsError.
        """
        secret = new_secret()
        app = App(appid, new_generation(), tuple(scopes), (digest(secret),), int(self._now()))

        def make(packed: bytes | None) -> bytes:
            if packed is not None and not unpack(packed).revoked:
                raise AppExistsError(appid)
            return pack(app)

        # The list comes first: an operator could not see and revoke an app that is not listed.
        self._store.sadd(keys.APPS, appid)
        self._compare_and_set.change(keys.app(appid), make)
        return secret

    def rotate(self, appid: str) -> str:
        """Adds a secret and returns it. The previous one stays valid; older ones are removed.

        Raises UnknownAppError, AppRevokedError.
        """
        secret = new_secret()

        def add(app: App) -> App:
            secrets = (*_active(app).secrets, digest(secret))
            return replace(app, secrets=secrets[-LIVE_SECRETS:])

        self._change(appid, add)
        return secret

    def set_scopes(self, appid: str, scopes: Sequence[str]) -> None:
        """Existing tokens lose scopes that are removed; only new tokens get scopes that are added.

        Raises UnknownAppError, AppRevokedError.
        """
        self._change(appid, lambda app: replace(_active(app), scopes=tuple(scopes)))

    def revoke(self, appid: str) -> App:
        """Ends the app's secrets and its tokens, which are valid only as long as the app.

        Raises UnknownAppError.
        """
        return self._change(appid, lambda app: replace(app, revoked=True, secrets=()))

    def _change(self, appid: str, change: Callable[[App], App]) -> App:
        changed: App

        def replacement(packed: bytes | None) -> bytes:
            nonlocal changed
            if packed is None:
                raise UnknownAppError(appid)
            changed = change(unpack(packed))
            return pack(changed)

        self._compare_and_set.change(keys.app(appid), replacement)
        return changed


def _active(app: App) -> App:
    if app.revoked:
        raise AppRevokedError(app.appid)
    return app


def _noted_time(noted: bytes | None, generation: str) -> int | None:
    """When a token was issued, unless it was to another app that had the same name."""
    of, _, seconds = (noted or b"").decode().partition(" ")
    return int(seconds) if of == generation else None


def pack(app: App) -> bytes:
    return json.dumps(asdict(app)).encode()


def unpack(packed: bytes) -> App:
    fields = json.loads(packed)
    fields["scopes"] = tuple(fields["scopes"])
    fields["secrets"] = tuple(fields["secrets"])
    return App(**fields)
