"""Keeps values of the store for a second, as a user of these libraries would write it."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

Read = Callable[[str], Awaitable[Any]]

SECONDS = 1.0
# As many as upbot_checks keeps.
MOST = 50_000


def cached(read: Read) -> Read:
    values: dict[str, tuple[float, Any]] = {}

    async def get(key: str) -> Any:
        now = time.monotonic()
        known = values.get(key)
        if known is not None and now < known[0]:
            return known[1]
        value = await read(key)
        if len(values) >= MOST:
            values.clear()
        values[key] = now + SECONDS, value
        return value

    return get
