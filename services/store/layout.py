"""The layout of the data, stored beside it: a service that finds another refuses to start."""

import json

from services.store import keys
from services.store.store import Store

LAYOUT = {"buckets": keys.BUCKETS, "format": 1}


class LayoutMismatchError(Exception):
    """The store was written by a suite with another layout."""


def claim(store: Store) -> None:
    """Marks an empty store with this layout, or checks the mark that is there.

    Raises LayoutMismatchError if the mark is another one.
    """
    ours = json.dumps(LAYOUT, sort_keys=True)
    theirs = store.set(keys.LAYOUT, ours, nx=True, get=True)
    if theirs is not None and _read(theirs) != LAYOUT:
        raise LayoutMismatchError(
            f"the store's layout is {theirs.decode(errors='replace')[:200]}, this service's is"
            f" {ours}; export from a service of that layout and import with this one"
        )


def _read(mark: bytes) -> object:
    try:
        return json.loads(mark)
    except ValueError:
        return None
