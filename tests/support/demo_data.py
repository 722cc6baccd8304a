"""Puts the demo data back into a store that a running service uses."""

from operations.commands.demo import load_data
from services.store.store import Store
from tests.support.levels import BUCKETS

# The keys that are kept: apps and their tokens, and the mark of the layout.
KEPT = (b"lg:{access}:", b"lg:layout")


def restore(store: Store) -> None:
    """Deletes everything but apps and tokens, and loads the demo data."""
    old = [key.decode() for key in store.scan_iter() if not key.startswith(KEPT)]
    if old:
        store.delete(*old)
    load_data(store, BUCKETS)
