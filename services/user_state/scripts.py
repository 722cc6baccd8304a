"""The scripts that change users, with the names of their arguments and the layouts they read."""

import struct
import time
from collections.abc import Callable
from importlib.resources import files
from typing import NamedTuple

from services.rules.thresholds import DEMOTION_THRESHOLD, THRESHOLD
from services.store.keys import Bucket
from services.store.scripts import NamedScript, NamedValues, lua_constants
from services.store.store import Store
from services.user_state import history, record, rows

# The most changes that the feed of a bucket holds: docs/scale.md.
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

# The keys and arguments of every script. `record_key` is the key of a user's record, or the prefix
# of those keys in a script that changes many users of a bucket; `now` is in milliseconds. The keys
# of the indexes are made in the scripts from a prefix and a level, so they cannot be declared; all
# of them are on the bucket's slot.
_KEYS = "record_key versions_key protections_key feed_key"
_ARGUMENTS = "level_prefix manual_prefix now:int history_length:int feed_limits app user"
_RULES = "thresholds rules_version:int"


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
        self.initialise = self._script("initialise", "level:int rule:int rules_version:int")
        self.set_points = self._script("set_points", f"points:int {_RULES}")
        self.add_points = self._script(
            "add_points", f"delta:int {_RULES} expected_version:int bill_seconds:int", "bill_key"
        )
        self.set_manually = self._script("set_manually", "level:int protected_until:int partner")
        self.delete = self._script("delete", "")
        self.demote = self._script(
            "demote", f"limit:int {_RULES} run demotion_thresholds", "demoted_key"
        )
        self.import_ = self._script("import", f"{_RULES} *packed_rows")
        self.restore = self._script("restore", "last_version *users_and_records")

    def shared(self, bucket: Bucket, app: str, user: str = "") -> NamedValues:
        """What every script takes; without `user` for many users of the bucket."""
        return {
            "record_key": bucket.record(user),
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

    def _script(self, name: str, arguments: str, key: str = "") -> NamedScript:
        return NamedScript(
            self._store,
            _CONSTANTS + script_text("record") + script_text(name),
            keys=f"{_KEYS} {key}",
            arguments=f"{_ARGUMENTS} {arguments}",
        )


def script_text(name: str) -> str:
    return files(__package__).joinpath(f"{name}.lua").read_text()
