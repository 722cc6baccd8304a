"""Apps: who may ask for tokens, with which secrets, for which scopes."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from services.access.secrets import HashedSecret, hash_secret, new_secret
from services.store import keys
from services.store.document import Documents
from services.store.store import Store

# Two, so that a secret can be rotated without a moment at which no client works.
LIVE_SECRETS = 2

# Someone who asks with an unknown appid waits as long as with a wrong secret.
_NOBODY = hash_secret("nobody")


class UnknownAppError(Exception):
    """There is no such app."""


class AppRevokedError(Exception):
    """The app was revoked, which is for good: make another."""


class AppExistsError(Exception):
    """There is such an app already."""


@dataclass(frozen=True)
class App:
    """An app; `created` in seconds since 1970, the newest secret last."""

    appid: str
    scopes: tuple[str, ...]
    secrets: tuple[HashedSecret, ...]
    created: int
    revoked: bool = False

    def holds(self, secret: str) -> bool:
        return not self.revoked and any(hashed.matches(secret) for hashed in self.secrets)


class Apps:
    """The apps in the store. A secret leaves this class once, when it is made."""

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now
        self._documents = Documents(store)

    def get(self, appid: str) -> App | None:
        packed = self._store.get(keys.app(appid))
        return None if packed is None else _unpack(packed)

    def authenticate(self, appid: str, secret: str) -> App | None:
        """The app, if it is live and the secret is one of its own; about 50 ms either way."""
        app = self.get(appid)
        if app is None or app.revoked:
            _NOBODY.matches(secret)
            return None
        return app if app.holds(secret) else None

    def list(self) -> Sequence[App]:
        appids = sorted(appid.decode() for appid in self._store.smembers(keys.APPS))
        return [app for appid in appids if (app := self.get(appid)) is not None]

    def create(self, appid: str, scopes: Sequence[str]) -> str:
        """Makes an app and returns its secret. Raises AppExistsError."""
        secret = new_secret()
        app = App(appid, tuple(scopes), (hash_secret(secret),), int(self._now()))
        # Listed first: an app that cannot be seen could not be revoked.
        self._store.sadd(keys.APPS, appid)
        if not self._store.set(keys.app(appid), _pack(app), nx=True):
            raise AppExistsError(appid)
        return secret

    def rotate(self, appid: str) -> str:
        """Adds a secret and returns it; the newest one before stays live, older ones go.

        Raises UnknownAppError, AppRevokedError.
        """
        secret = new_secret()
        hashed = hash_secret(secret)

        def add(app: App) -> App:
            if app.revoked:
                raise AppRevokedError(appid)
            return replace(app, secrets=(*app.secrets, hashed)[-LIVE_SECRETS:])

        self._change(appid, add)
        return secret

    def revoke(self, appid: str) -> None:
        """Ends the app's secrets; Tokens.revoke_all ends what they bought.

        Raises UnknownAppError.
        """
        self._change(appid, lambda app: replace(app, revoked=True, secrets=()))

    def _change(self, appid: str, change: Callable[[App], App]) -> None:
        def replacement(packed: bytes | None) -> bytes:
            if packed is None:
                raise UnknownAppError(appid)
            return _pack(change(_unpack(packed)))

        self._documents.change(keys.app(appid), replacement)


def _pack(app: App) -> bytes:
    return json.dumps(asdict(app)).encode()


def _unpack(packed: bytes) -> App:
    fields = json.loads(packed)
    fields["scopes"] = tuple(fields["scopes"])
    fields["secrets"] = tuple(HashedSecret(**hashed) for hashed in fields["secrets"])
    return App(**fields)
