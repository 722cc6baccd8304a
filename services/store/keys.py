"""The one key builder: all keys of the store are defined here.

Everything about one user is in one bucket, and the bucket is the hash tag of its keys. So a
transition of a user with its index entries is one script on one slot, also on a cluster.
"""

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple
from zlib import crc32

# The same for every store, so that no command and no service can use a number that differs from
# that of the data. layout.py stores it beside the data nevertheless.
BUCKET_COUNT = 1_024

LAYOUT = "lg:layout"
RULES = "lg:rules"
# Hash: the rules of past versions. Its tag is the key above, so both are on one slot.
PAST_RULES = "{lg:rules}:past"
# One tag for all access keys: one script checks an app and changes its tokens (docs/adr/0011).
_ACCESS = "lg:{access}:"
# Set: the ids of all apps, revoked ones included.
APPS = _ACCESS + "apps"
# Hash: by appid, when an app last got a token: "generation seconds".
LAST_TOKENS = _ACCESS + "last"
# Set: the ids of the apps that were created by a release before docs/adr/0011.
EARLIER_APPS = "lg:apps"
# String: the running or last demotion, as JSON.
DEMOTION = "lg:{demotion}:run"
# String: the worker that carries it out, for the time of its lease.
DEMOTION_LEASE = "lg:{demotion}:driver"
# String: the schedule and the number of the run that it started last.
DEMOTION_SLOT = "lg:{demotion}:slot"
# String: what releases before StopDemotion do not know about the running or last demotion, as JSON.
DEMOTION_DETAILS = "lg:{demotion}:details"
# List: the last demotions that ended, newest first, as JSON.
ENDED_DEMOTIONS = "lg:{demotion}:ended"


@dataclass(frozen=True)
class Bucket:
    """The keys that a bucket's users share."""

    number: int

    @cached_property
    def prefix(self) -> str:
        return f"lg:{{{self.number}}}:"

    @property
    def versions(self) -> str:
        """Counter: the last version that was given to a user of the bucket."""
        return self.prefix + "versions"

    @property
    def level_prefix(self) -> str:
        """Sorted set per level: the users that earned it, scored by points."""
        return self.prefix + "level:"

    @property
    def manual_prefix(self) -> str:
        """Sorted set per level: the users for whom it was set manually, scored by points."""
        return self.prefix + "hand:"

    @property
    def protections(self) -> str:
        """Sorted set: the users whose level was set manually, scored by the protection's end."""
        return self.prefix + "manual"

    @property
    def feed(self) -> str:
        """Stream: the last changes of the bucket's users; the ids are their versions."""
        return self.prefix + "feed"

    @property
    def demoted(self) -> str:
        """String: how many users of the bucket a demotion re-evaluated, as "run:count"."""
        return self.prefix + "demoted"

    def record(self, user: str) -> str:
        """String: the packed record of a user."""
        return f"{self.prefix}user:{user}"

    def bill(self, appid: str, user: str, bill_no: str) -> str:
        """String: the answer that belongs to an app's idempotency key.

        The parts are opaque; their lengths make the key unambiguous.
        """
        return f"{self.prefix}bill:{len(appid)}:{appid}:{len(user)}:{user}:{bill_no}"

    def facts(self, user: str) -> str:
        """Hash: the lit stars and the game facts of a user."""
        return f"{self.prefix}facts:{user}"

    @property
    def fact_users(self) -> str:
        """Sorted set: the users who have facts, whether they are members or not, all scored 0."""
        return self.prefix + "factusers"

    def shop_profile(self, shop: str, user: str) -> str:
        """String: nickname and avatar of a member in a shop, as JSON.

        Both ids are opaque; the shop's length distinguishes "1" + "2:x" from "1:2" + "x".
        """
        return f"{self.prefix}profile:{len(shop)}:{shop}:{user}"

    def earlier_shop_profile(self, shop: str, user: str) -> str:
        """String: the same as earlier releases stored it, as a serialised RPC message."""
        return f"{self.prefix}member:{len(shop)}:{shop}:{user}"


@dataclass(frozen=True)
class Buckets:
    """The buckets of the store. Only tests use another number than BUCKET_COUNT."""

    count: int = BUCKET_COUNT

    def of(self, user: str) -> Bucket:
        """The bucket of a user, which never changes."""
        return _bucket(self.number_of(user))

    def number_of(self, user: str) -> int:
        return crc32(user.encode()) % self.count

    def all(self) -> list[Bucket]:
        return [_bucket(number) for number in range(self.count)]


@cache
def _bucket(number: int) -> Bucket:
    return Bucket(number)


def demotion_plan(plan: str) -> str:
    """String: a plan of a demotion, as JSON."""
    return f"lg:{{demotion}}:plan:{plan}"


def shop(shop: str) -> str:
    """String: a shop's settings and levels, as JSON."""
    return f"lg:{{shop:{shop}}}:document"


def earlier_shop_settings(shop: str) -> str:
    """String: a shop's settings as earlier releases stored them, as a serialised RPC message."""
    return f"lg:{{shop:{shop}}}:settings"


def earlier_shop_levels(shop: str) -> str:
    """Hash: a shop's levels by id, likewise."""
    return f"lg:{{shop:{shop}}}:levels"


def app(appid: str) -> str:
    """String: an app's scopes and hashed secrets, as JSON."""
    return f"{_ACCESS}app:{appid}"


def earlier_app(appid: str) -> str:
    """String: an app as a release before docs/adr/0011 stored it."""
    return f"lg:{{app:{appid}}}:app"


def live_pairs(generation: str) -> str:
    """Sorted set: the digests of an app's live token pairs, scored by their end."""
    return f"{_ACCESS}live:{generation}"


def superseded_pairs(generation: str) -> str:
    """Sorted set: the digests of pairs that were refreshed and stay valid for 5 minutes."""
    return f"{_ACCESS}superseded:{generation}"


def token(digest: str) -> str:
    """String: what an access token or a member's session token grants, as JSON."""
    return f"{_ACCESS}token:{digest}"


def refresh_token(digest: str) -> str:
    """String: the app of a refresh token and the access token of its pair, as JSON."""
    return f"{_ACCESS}refresh:{digest}"


# What a bucket derives from its users' records and facts: indexes, and the feed with its counters.
_DERIVED_KINDS = {"versions", "level", "hand", "manual", "feed", "demoted", "factusers"}
_BUCKET_KEY = re.compile(r"lg:\{\d+\}:(\w+):?(.*)", re.DOTALL)


class UserKey(NamedTuple):
    """A key of a user, without the bucket, which depends on the number of buckets."""

    kind: str
    rest: str
    """What follows the kind; it contains the user."""
    user: str

    def under(self, buckets: Buckets) -> str:
        """The key in a store with these buckets."""
        return f"{buckets.of(self.user).prefix}{self.kind}:{self.rest}"


def user_key(key: str) -> UserKey | None:
    """Takes a key apart that Bucket has put together; None for a key outside the buckets."""
    found = _BUCKET_KEY.fullmatch(key)
    if found is None:
        return None
    kind, rest = found.groups()
    match kind:
        case "profile" | "member":
            user = _split_counted(rest)[1]
        case "bill":
            user = _split_counted(_split_counted(rest)[1])[0]
        case _:
            user = rest
    return UserKey(kind, rest, user)


def is_of_this_store_only(key: str) -> bool:
    """Whether the key is useless in another store, or is derived there from the records."""
    found = _BUCKET_KEY.fullmatch(key)
    if found is not None:
        return found[1] in _DERIVED_KINDS
    return key == LAYOUT or key.startswith("lg:{demotion}:")


def _split_counted(text: str) -> tuple[str, str]:
    """The text of "length:text:more", and what follows it."""
    length, _, counted = text.partition(":")
    return counted[: int(length)], counted[int(length) + 1 :]
