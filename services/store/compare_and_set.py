"""Documents: values that are replaced as a whole, or not at all if another writer was faster."""

from collections.abc import Callable

from services.store.store import Store

# Sets the document only if it is still the one that was read; "" stands for none.
_REPLACE = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


class Documents:
    """Every method raises redis.RedisError where the store does not serve."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._replace = store.register_script(_REPLACE)

    def get(self, key: str) -> bytes | None:
        return self._store.get(key)

    def change(self, key: str, decide: Callable[[bytes | None], bytes | None]) -> None:
        """Replaces the document by what `decide` makes of it; None leaves it as it is.

        `decide` is called again if another writer was faster. What it raises leaves the document.
        """
        while True:
            read = self.get(key)
            decided = decide(read)
            if decided is None or self._replace([key], [read or b"", decided]):
                return
