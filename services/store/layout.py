"""The layout of the data, stored beside it. A service that finds another one refuses to start."""

import json

import redis

from services.store import keys
from services.store.compare_and_set import CompareAndSet
from services.store.keys import Buckets
from services.store.store import Store

# The format of records that this release writes. It also reads all earlier ones.
FORMAT = 2


class LayoutMismatchError(redis.ConnectionError):
    """The store has another layout, so the address probably leads to the wrong store."""


def claim(store: Store, buckets: Buckets, *, is_writer: bool = False) -> None:
    """Marks an empty store with this layout, or checks the mark that the store has.

    A service that writes records (`is_writer`) raises the mark of an older format. From then on
    older services, which could not read the new records, refuse to start. Raises
    LayoutMismatchError if the number of buckets differs or the format is newer.
    """
    ours = _mark(buckets).encode()

    def decide(theirs: bytes | None) -> bytes | None:
        require_readable(theirs, buckets)
        is_claimed = theirs is not None and (theirs == ours or not is_writer)
        # Without a change nothing is written: a store that refuses writes still answers reads.
        return None if is_claimed else ours

    CompareAndSet(store).change(keys.LAYOUT, decide)


def require_readable(theirs: bytes | None, buckets: Buckets) -> None:
    """Raises LayoutMismatchError if the mark is that of another layout; None means no mark."""
    if theirs is not None and not _is_readable(theirs, buckets):
        raise LayoutMismatchError(
            f"the store's layout is {theirs.decode(errors='replace')[:200]}, this service's is"
            f" {_mark(buckets)}: docs/scale.md explains how to move data to another number of"
            " buckets; a newer format needs a newer release"
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
