"""The layout of the data, stored beside it: a service that finds another refuses to start."""

import json

import redis

from services.store import keys
from services.store.keys import Buckets
from services.store.store import Store

# The newest format of records that this suite writes; it reads all before.
FORMAT = 2

# Sets the mark only if it is still the one that was read.
_REPLACE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end
"""


class LayoutMismatchError(redis.ConnectionError):
    """The store was written by a suite with another layout: it is not the one that was meant."""


def claim(store: Store, buckets: Buckets, *, is_writer: bool = False) -> None:
    """Marks an empty store with this layout, or checks the mark that is there.

    Who writes records raises the mark of an older format, so that older services, which could
    not read them, refuse to start from then on. Raises LayoutMismatchError if the buckets are
    others, or the format is a newer one.
    """
    ours = _mark(buckets)
    # Reading comes first: a store that refuses writes still answers reads.
    theirs = store.get(keys.LAYOUT)
    if theirs is None:
        theirs = store.set(keys.LAYOUT, ours, nx=True, get=True)
    require_readable(theirs, buckets)
    if is_writer and theirs is not None and theirs != ours.encode():
        store.register_script(_REPLACE)([keys.LAYOUT], [theirs, ours])


def require_readable(theirs: bytes | None, buckets: Buckets) -> None:
    """Raises LayoutMismatchError for the mark of another layout; None stands for no mark."""
    if theirs is not None and not _is_readable(theirs, buckets):
        raise LayoutMismatchError(
            f"the store's layout is {theirs.decode(errors='replace')[:200]}, this service's is"
            f" {_mark(buckets)}: docs/scale.md tells how to move data of other buckets, and a newer"
            " format needs a newer suite"
        )


def _mark(buckets: Buckets) -> str:
    return json.dumps({"buckets": buckets.count, "format": FORMAT}, sort_keys=True)


def _is_readable(mark: bytes, buckets: Buckets) -> bool:
    try:
        layout = json.loads(mark)
    except ValueError:
        return False
    if not isinstance(layout, dict) or layout.get("buckets") != buckets.count:
        return False
    written = layout.get("format")
    return isinstance(written, int) and 1 <= written <= FORMAT
