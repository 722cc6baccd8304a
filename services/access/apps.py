"""Apps: the callers that may request tokens, with their secrets and scopes."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from services.access.secrets import LIVE_SECRETS, digest, is_one_of, new_generation, new_secret
from services.store import keys
from services.store.compare_and_set import CompareAndSet
from services.store.store import Store


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

    def list(self) -> Sequence[App]:
        appids = sorted(appid.decode() for appid in self._store.smembers(keys.APPS))
        return [app for appid in appids if (app := self.get(appid)) is not None]

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


def pack(app: App) -> bytes:
    return json.dumps(asdict(app)).encode()


def unpack(packed: bytes) -> App:
    fields = json.loads(packed)
    fields["scopes"] = tuple(fields["scopes"])
    fields["secrets"] = tuple(fields["secrets"])
    return App(**fields)
