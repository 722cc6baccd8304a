"""Moves apps of releases before docs/adr/0011, which used other keys; for an operator's command."""

import json

from services.access.apps import App, pack
from services.access.secrets import new_generation
from services.store import keys
from services.store.store import Store


def move(store: Store) -> None:
    """Secrets stay valid, except those hashed by scrypt; callers need new tokens."""
    for appid in sorted(name.decode() for name in store.smembers(keys.EARLIER_APPS)):
        packed = store.get(keys.earlier_app(appid))
        if packed is not None:
            store.sadd(keys.APPS, appid)
            # An app that was created under the same name since then stays.
            store.set(keys.app(appid), pack(_read(packed)), nx=True)
            store.delete(keys.earlier_app(appid))
    store.delete(keys.EARLIER_APPS)


def _read(packed: bytes) -> App:
    fields = json.loads(packed)
    # An object is a hash by scrypt, which is no longer supported: the operator rotates the app.
    digests = tuple(each for each in fields.pop("secrets") if isinstance(each, str))
    scopes = tuple(fields.pop("scopes"))
    return App(generation=new_generation(), scopes=scopes, secrets=digests, **fields)
