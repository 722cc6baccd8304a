"""The scripts of this folder, and the arguments that those which change a user share."""

import struct
import time
from collections.abc import Callable
from importlib.resources import files
from typing import NamedTuple

from services.store.keys import Bucket
from services.store.store import Script, Store, Value

# Changes that the feed of a bucket holds at most, about 60 bytes each: docs/scale.md.
FEED_MOST = 65_536
_FEED_LIMITS = struct.Struct(">IIQ")


class Kept(NamedTuple):
    """How many changes are kept, and for how long a bill number is known."""

    history: int = 8
    """With each user."""
    feed: int = 128
    """In each bucket's feed, at least, however old they are."""
    feed_seconds: int = 60
    """For how long each change is in the feed, unless the bucket has more than FEED_MOST."""
    bill_seconds: int = 7 * 86_400

    @property
    def feed_limits(self) -> bytes:
        """As record.lua reads them."""
        return _FEED_LIMITS.pack(self.feed, FEED_MOST, self.feed_seconds * 1_000)


class Scripts:
    """Every script, by its name."""

    def __init__(self, store: Store, kept: Kept, now: Callable[[], float] = time.time) -> None:
        self._kept = kept
        self._now = now
        folder = files(__package__)

        def text(name: str) -> str:
            return folder.joinpath(f"{name}.lua").read_text()

        def changes(name: str) -> Script:
            return store.register_script(text("record") + text(name))

        self.initialise = changes("initialise")
        self.set_points = changes("set_points")
        self.add_points = changes("add_points")
        self.set_by_hand = changes("set_by_hand")
        self.delete = changes("delete")
        self.demote = changes("demote")
        self.import_ = changes("import")
        self.restore = changes("restore")
        self.page = store.register_script(text("page"), writes=False)
        self.count = store.register_script(text("count"), writes=False)

    def on_user(
        self, bucket: Bucket, user: str, app: str, *arguments: Value
    ) -> tuple[list[str], list[Value]]:
        """What a script takes that changes one user: record.lua tells what is what."""
        return self._changing(bucket, bucket.record(user), app, user, arguments)

    def on_bucket(
        self, bucket: Bucket, app: str, *arguments: Value
    ) -> tuple[list[str], list[Value]]:
        """What a script takes that changes many users of a bucket."""
        return self._changing(bucket, bucket.record(""), app, "", arguments)

    def _changing(
        self, bucket: Bucket, record: str, app: str, user: str, arguments: tuple[Value, ...]
    ) -> tuple[list[str], list[Value]]:
        keys = [record, bucket.versions, bucket.manual, bucket.feed]
        milliseconds = int(self._now() * 1_000)
        kept = (self._kept.history, self._kept.feed_limits)
        prefixes = (bucket.level_prefix, bucket.hand_prefix)
        return keys, [*prefixes, milliseconds, *kept, app, user, *arguments]
