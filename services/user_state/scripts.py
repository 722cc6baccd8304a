"""The scripts of this folder, and the arguments that those which change a user share."""

import time
from collections.abc import Callable
from importlib.resources import files
from typing import NamedTuple

from services.store.keys import Bucket
from services.store.store import Script, Store, Value


class Kept(NamedTuple):
    """How many changes are kept, and for how long a bill number is known."""

    history: int = 8
    """With each user."""
    feed: int = 128
    """In each bucket's feed; the store rounds up to whole nodes."""
    bill_seconds: int = 7 * 86_400


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
        kept = (self._kept.history, self._kept.feed)
        prefixes = (bucket.level_prefix, bucket.hand_prefix)
        return keys, [*prefixes, milliseconds, *kept, app, user, *arguments]
