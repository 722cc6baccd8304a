"""Apps: who may ask for tokens, with which secrets, for which scopes."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from services.access.secrets import LIVE_SECRETS, digest, is_one_of, new_secret
from services.store import keys
from services.store.document import Documents
from services.store.store import Store


class UnknownAppError(Exception):
    """There is no such app."""


class AppRevokedError(Exception):
    """The app was revoked, which is for good: make another."""


class AppExistsError(Exception):
    """There is such an app already."""


@dataclass(frozen=True)
class App:
    """An app; `created` in seconds since 1970, `secrets` as their digests, the newest one last."""

    appid: str
    scopes: tuple[str, ...]
    secrets: tuple[str, ...]
    created: int
    revoked: bool = False


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
        """The app, if it is live and the secret is one of its own."""
        app = self.get(appid)
        # A revoked app has none left. The comparison comes first, so that it is always made.
        is_right = is_one_of(secret, () if app is None else app.secrets)
        return app if is_right else None

    def list(self) -> Sequence[App]:
        appids = sorted(appid.decode() for appid in self._store.smembers(keys.APPS))
        return [app for appid in appids if (app := self.get(appid)) is not None]

    def create(self, appid: str, scopes: Sequence[str]) -> str:
        """Makes an app and returns its secret. Raises AppExistsError."""
        secret = new_secret()
        app = App(appid, tuple(scopes), (digest(secret),), int(self._now()))
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

        def add(app: App) -> App:
            if app.revoked:
                raise AppRevokedError(appid)
            return replace(app, secrets=(*app.secrets, digest(secret))[-LIVE_SECRETS:])

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
    # Earlier releases stored an object with a hash by scrypt for each. No secret matches those: the
    # app has to be rotated.
    fields["secrets"] = tuple(each for each in fields["secrets"] if isinstance(each, str))
    return App(**fields)
