"""Puts the demo data back, so that the data created by inputs do not accumulate."""

from collections.abc import Sequence

import redis

from operations.commands.demo import load_data
from services.store import keys
from services.store.keys import Buckets
from services.store.store import Store

# In one script, because a demotion must not find a user in an index without a record. The version
# counters and the feeds are kept (both are bounded): without them, a reader of a feed would
# conclude that the store was replaced.
_SWEEP = """
local gone = 0
for _, key in ipairs(redis.call('KEYS', 'lg:*')) do
  local is_kept = key:match(':versions$') or key:match(':feed$')
  for _, start in ipairs(ARGV) do
    if key:sub(1, #start) == start then is_kept = true break end
  end
  if not is_kept then gone = gone + redis.call('UNLINK', key) end
end
return gone
"""
# Apps, rules and demotions; tokens are kept if they exist at the start.
_KEPT = (
    keys.APPS,
    keys.app(""),
    keys.live_pairs(""),
    keys.superseded_pairs(""),
    keys.LAYOUT,
    keys.RULES,
    keys.DEMOTION,
    keys.DEMOTION_DETAILS,
    keys.ENDED_DEMOTIONS,
    keys.DEMOTION_LEASE,
)


class Sweep:
    """Keeps the apps, the rules, and the tokens that exist at the start."""

    def __init__(self, url: str, store: Store, kept: Sequence[str]) -> None:
        self._store = store
        self._redis = redis.Redis.from_url(url)
        patterns = (f"{keys.token('')}*", f"{keys.refresh_token('')}*")
        tokens = [key.decode() for each in patterns for key in self._redis.scan_iter(each)]
        self._kept = (*_KEPT, *kept, *tokens)

    def close(self) -> None:
        self._redis.close()

    def __call__(self) -> None:
        self._redis.eval(_SWEEP, 0, *self._kept)
        load_data(self._store, Buckets())
