"""Tokens that were found a moment ago, so that a busy caller's is not looked up for each call."""

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from services.access.tokens import Grant

# A revocation holds within a second, whatever is known here.
_SECONDS = 0.9
# About 300 bytes each.
_MOST = 20_000


class Finder(Protocol):
    """Who knows what a token allows."""

    def find(self, token: str) -> Grant | None: ...


class _Known(NamedTuple):
    grant: Grant
    until: float


class KnownTokens:
    """Remembers good tokens for less than a second; a bad one is looked up each time it comes.

    Nobody can fill it with tokens that he made up, and nobody is refused by it.
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
            # What is in use is back with its next call: cheaper than keeping an order.
            self._known = {}
        # From before the question, as what was answered may be as old as that.
        self._known[token] = _Known(grant, now + _SECONDS)
        return grant
