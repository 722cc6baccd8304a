"""The transitions of a user's level, each one script on one slot."""

from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from services.store.keys import Bucket, all_buckets, bucket_of
from services.store.store import Script, Store, Value
from services.user_state.record import Record, unpack

# Users that one call of demote.lua re-fits: about 1 ms of the store's time.
DEMOTION_BATCH = 200


class Floor(NamedTuple):
    """The fewest points that keep a level."""

    level: int
    points: int


class Upgrade(NamedTuple):
    """What became of an upgrade."""

    record: Record
    rose: bool


class UserState:
    """One level per user, read by all services and written by member_level.

    Every method raises redis.RedisError where the store does not serve.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        folder = files(__package__)
        common = folder.joinpath("record.lua").read_text()

        def script(name: str) -> Script:
            return store.register_script(common + folder.joinpath(f"{name}.lua").read_text())

        self._initialise = script("initialise")
        self._upgrade = script("upgrade")
        self._set_by_hand = script("set_by_hand")
        self._delete = script("delete")
        self._demote = script("demote")

    def get(self, user: str) -> Record | None:
        packed = self._store.get(bucket_of(user).record(user))
        return None if packed is None else unpack(packed)

    def initialise(self, user: str, lowest_level: int) -> Record:
        """Starts a user with 0 points; an existing one is left as it is."""
        return unpack(self._initialise(*_on(user, lowest_level)))

    def upgrade(self, user: str, points: int, earned_level: int | None) -> Upgrade | None:
        """Sets the total points and raises the level to the one they earn; never lowers it.

        None for an unknown user.
        """
        earned = -1 if earned_level is None else earned_level
        reply = self._upgrade(*_on(user, points, earned))
        return None if reply is None else Upgrade(unpack(reply[0]), bool(reply[1]))

    def set_by_hand(
        self, user: str, level: int, partner: str, protected_until: int
    ) -> Record | None:
        """Sets a level that stands until points earn a higher one. None for an unknown user."""
        packed = self._set_by_hand(*_on(user, level, protected_until, partner))
        return None if packed is None else unpack(packed)

    def delete(self, user: str) -> bool:
        """Forgets the user; False if there was none."""
        return bool(self._delete(*_on(user)))

    def demote(self, floors: Sequence[Floor], now: int) -> int:
        """Re-fits all users below the floor of their level, and those past their protection.

        `floors` are all levels, by rising level. Returns how many users were re-fitted.
        """
        return sum(self._demote_bucket(bucket, floors, now) for bucket in all_buckets())

    def _demote_bucket(self, bucket: Bucket, floors: Sequence[Floor], now: int) -> int:
        total = 0
        keys = [bucket.record(""), bucket.versions, bucket.manual]
        arguments: list[Value] = [bucket.level_prefix, "", now, DEMOTION_BATCH]
        for floor in floors:
            arguments += floor
        while True:
            refitted = int(self._demote(keys, arguments))
            total += refitted
            if refitted < DEMOTION_BATCH:
                return total


def _on(user: str, *arguments: int | str) -> tuple[list[str], list[int | str]]:
    bucket = bucket_of(user)
    keys = [bucket.record(user), bucket.versions, bucket.manual]
    return keys, [bucket.level_prefix, user, *arguments]
