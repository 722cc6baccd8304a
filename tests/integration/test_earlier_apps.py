"""Apps that releases before docs/adr/0011 stored under other keys."""

import hashlib
import json

from services.access import earlier_apps
from services.access.apps import Apps
from services.access.secrets import digest, new_secret
from services.access.tokens import Tokens
from services.store import keys
from services.store.store import Store


def store_as_earlier(store: Store, appid: str, *, is_scrypt: bool = True) -> str:
    """Stores an app as earlier releases did, at first with a hash by scrypt; returns its secret."""
    secret, salt = new_secret(), "00" * 16
    hashed = hashlib.scrypt(secret.encode(), salt=bytes.fromhex(salt), n=2**4, r=8, p=1)
    fields = {
        "appid": appid,
        "scopes": ["upbot:check"],
        "secrets": [{"salt": salt, "hash": hashed.hex()} if is_scrypt else digest(secret)],
        "created": 1_700_000_000,
        "revoked": False,
    }
    store.sadd(keys.EARLIER_APPS, appid)
    store.set(keys.earlier_app(appid), json.dumps(fields))
    return secret


def test_apps_of_an_earlier_release_are_moved_with_their_valid_secrets(
    store: Store,
) -> None:
    apps = Apps(store)
    works, scrypt = store_as_earlier(store, "b", is_scrypt=False), store_as_earlier(store, "a")
    store_as_earlier(store, "taken")
    taken = apps.create("taken", ["shop:read"])
    earlier_apps.move(store)
    assert [listed.app.appid for listed in apps.list()] == ["a", "b", "taken"]
    assert apps.authenticate("a", scrypt) is None
    assert apps.authenticate("a", apps.rotate("a")) is not None
    app = apps.authenticate("b", works)
    assert app is not None
    assert (app.scopes, app.created) == (("upbot:check",), 1_700_000_000)
    assert Tokens(store).issue(app) is not None
    assert apps.authenticate("taken", taken) is not None
    assert {key for key in store.scan_iter() if not key.startswith(b"lg:{access}:")} == set()
