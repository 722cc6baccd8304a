"""Remembers valid tokens for a moment, so that they are not looked up for each call."""

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from services.access.tokens import Grant

# Together with the lookup, a revocation takes effect within a second.
_SECONDS = 0.9
# About 300 bytes each.
_MOST = 20_000


class Finder(Protocol):
    """Looks up what a token allows."""

    def find(self, token: str) -> Grant | None: ...


class _Known(NamedTuple):
    grant: Grant
    until: float


class KnownTokens:
    """Remembers valid tokens for less than a second. Invalid ones are looked up each time.

    So callers cannot fill the memory with invented tokens, and a new token is valid immediately.
    """

    def __init__(self, tokens: Finder, now: Callable[[], float] = time.monotonic) -> None:
        self._tokens = tokens
        self._now = now
        self._known: dict[str, _Known] = {}

    def find(self, token: str) -> Grant | None:
        """As Tokens.find. Raises redis.RedisError."""
        known = self._known.get(token)
        now = self._now()
        if known is not None and now < known.until:
            return known.grant
        grant = self._tokens.find(token)
        if grant is None:
            self._known.pop(token, None)
            return None
        if len(self._known) >= _MOST:
            # Tokens in use come back with their next call: cheaper than tracking their order.
            self._known = {}
        # The time before the lookup, because the answer may be as old as that.
        self._known[token] = _Known(grant, now + _SECONDS)
        return grant
