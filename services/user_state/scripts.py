"""The scripts that change users, with the names of their arguments and the layouts they read."""

import struct
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import NamedTuple

from services.rules.thresholds import DEMOTION_THRESHOLD, THRESHOLD
from services.store.keys import Bucket
from services.store.scripts import NamedScript, NamedValues, lua_constants
from services.store.store import Store
from services.user_state import history, record, rows

# Changes that the feed of a bucket holds at most, about 60 bytes each: docs/scale.md.
FEED_MOST = 65_536
# What add_points returns and stores under the idempotency key: the points that were added, the
# total, the level, whether it rose, and the version.
ADDED = struct.Struct(">iIIBQ")

_FEED_LIMITS = struct.Struct(">IIQ")
_CONSTANTS = lua_constants(
    {
        "FORMAT": record.FORMAT,
        "RECORD": record.LAYOUT,
        "RECORD_HEAD": record.HEAD,
        "PARTNER_LENGTH": record.PARTNER_LENGTH,
        "MAX_VERSION": record.MAX_VERSION,
        **record.Source.__members__,
        **history.Kind.__members__,
        "STATE": history.STATE,
        "STATE_BYTES": history.STATE.size,
        "NO_USER": history.NO_USER,
        "ENTRY_LENGTH": history.LENGTH,
        "FEED_LIMITS": _FEED_LIMITS,
        "THRESHOLD": THRESHOLD,
        "DEMOTION_THRESHOLD": DEMOTION_THRESHOLD,
        "ROW": rows.ROW,
        "ADDED": ADDED,
    }
)

# What every script takes. `record_key` is a user's record, or the prefix of the records' keys in
# a script that changes many users of a bucket. The keys of the indexes are made in the scripts
# from a prefix and a level, so they cannot be declared; all of them lie on the bucket's slot.
_KEYS = ("record_key", "versions_key", "protections_key", "feed_key")
_ARGUMENTS = {
    "level_prefix": str,
    "manual_prefix": str,
    "now": int,  # milliseconds
    "history_length": int,
    "feed_limits": bytes,
    "app": str,
    "user": str,
}
_RULES = {"thresholds": bytes, "rules_version": int}


class Retention(NamedTuple):
    """How many changes are retained, and for how long an idempotency key is known."""

    history: int = 8
    """Changes of each user."""
    feed: int = 128
    """Changes in the feed of each bucket at least, however old they are."""
    feed_seconds: int = 60
    """For how long each change stays in the feed, unless the bucket has more than FEED_MOST."""
    bill_seconds: int = 7 * 86_400

    @property
    def feed_limits(self) -> bytes:
        return _FEED_LIMITS.pack(self.feed, FEED_MOST, self.feed_seconds * 1_000)


class Scripts:
    """Every script that changes users. Each begins with record.lua and is atomic."""

    def __init__(
        self, store: Store, retention: Retention, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._retention = retention
        self._now = now
        self.initialise = self._script(
            "initialise", {"level": int, "rule": int, "rules_version": int}
        )
        self.set_points = self._script("set_points", {"points": int, **_RULES})
        self.add_points = self._script(
            "add_points",
            {"delta": int, **_RULES, "expected_version": int, "bill_seconds": int},
            key="bill_key",
        )
        self.set_manually = self._script(
            "set_manually", {"level": int, "protected_until": int, "partner": str}
        )
        self.delete = self._script("delete", {})
        self.demote = self._script(
            "demote",
            {"limit": int, **_RULES, "run": str, "demotion_thresholds": bytes},
            key="demoted_key",
        )
        self.import_ = self._script("import", {**_RULES, "packed_rows": list})
        self.restore = self._script("restore", {"last_version": str, "users_and_records": list})

    def on_user(self, bucket: Bucket, user: str, app: str) -> NamedValues:
        """The shared arguments of a script that changes one user."""
        return self._shared(bucket, bucket.record(user), app, user)

    def on_bucket(self, bucket: Bucket, app: str) -> NamedValues:
        """The shared arguments of a script that changes many users of a bucket."""
        return self._shared(bucket, bucket.record(""), app, "")

    def _shared(self, bucket: Bucket, record_key: str, app: str, user: str) -> NamedValues:
        return {
            "record_key": record_key,
            "versions_key": bucket.versions,
            "protections_key": bucket.protections,
            "feed_key": bucket.feed,
            "level_prefix": bucket.level_prefix,
            "manual_prefix": bucket.manual_prefix,
            "now": int(self._now() * 1_000),
            "history_length": self._retention.history,
            "feed_limits": self._retention.feed_limits,
            "app": app,
            "user": user,
        }

    def _script(self, name: str, arguments: Mapping[str, type], *, key: str = "") -> NamedScript:
        return NamedScript(
            self._store,
            _CONSTANTS + script_text("record") + script_text(name),
            keys=(*_KEYS, key) if key else _KEYS,
            arguments={**_ARGUMENTS, **arguments},
        )


def script_text(name: str) -> str:
    return files(__package__).joinpath(f"{name}.lua").read_text()
