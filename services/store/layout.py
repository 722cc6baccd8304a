"""The layout of the data, stored beside it: a service that finds another refuses to start."""

import json

from services.store import keys
from services.store.keys import Buckets
from services.store.store import Store

# The newest format of records that this suite writes; it reads all before.
FORMAT = 2

# Sets the mark only if it is still the one that was read.
_REPLACE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end
"""


class LayoutMismatchError(Exception):
    """The store was written by a suite with another layout."""


def claim(store: Store, buckets: Buckets, *, is_writer: bool = False) -> None:
    """Marks an empty store with this layout, or checks the mark that is there.

    Who writes records raises the mark of an older format, so that older services, which could
    not read them, refuse to start from then on. Raises LayoutMismatchError if the buckets are
    others, or the format is a newer one.
    """
    ours = json.dumps({"buckets": buckets.count, "format": FORMAT}, sort_keys=True)
    theirs = store.set(keys.LAYOUT, ours, nx=True, get=True)
    if theirs is None or theirs == ours.encode():
        return
    if not _is_readable(theirs, buckets):
        raise LayoutMismatchError(
            f"the store's layout is {theirs.decode(errors='replace')[:200]}, this service's is"
            f" {ours}: docs/scale.md tells how to move data of other buckets, and a newer format"
            " needs a newer suite"
        )
    if is_writer:
        store.register_script(_REPLACE)([keys.LAYOUT], [theirs, ours])


def _is_readable(mark: bytes, buckets: Buckets) -> bool:
    try:
        layout = json.loads(mark)
    except ValueError:
        return False
    if not isinstance(layout, dict) or layout.get("buckets") != buckets.count:
        return False
    written = layout.get("format")
    return isinstance(written, int) and 1 <= written <= FORMAT
