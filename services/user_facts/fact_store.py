"""Reads and writes the stars and game facts of users: one hash per user in the store."""

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product
from operator import itemgetter
from typing import NamedTuple

from services.store.keys import Buckets
from services.store.reads import Reads, StoreReads
from services.store.scripts import NamedScript, NamedValues
from services.store.store import Store
from services.user_facts.fact import NO_FACT, GameFact, GameKey, Star

_STAR, _GAME = "star", "game"
# A game fact may have 3.1 KB, and a reply of GetUserFacts contains all of them in 4 MiB.
MOST_FACTS = 1_000

_PUT = f"""
local is_new = redis.call('HEXISTS', facts, field) == 0
if is_new and redis.call('HLEN', facts) >= {MOST_FACTS} then return 0 end
redis.call('HSET', facts, field, value)
redis.call('ZADD', fact_users, 0, user)
return 1
"""
_REMOVE = """
if #fields > 0 then redis.call('HDEL', facts, unpack(fields)) else redis.call('DEL', facts) end
if redis.call('EXISTS', facts) == 0 then redis.call('ZREM', fact_users, user) end
"""
_INDEX = """
if redis.call('EXISTS', facts) == 1 then redis.call('ZADD', fact_users, 0, user) end
"""
_KEYS = "facts fact_users"

# Reads up to `most` facts and how many there are, without the values of the others.
_SOME = """
local found, known, cursor = {}, {}, '0'
repeat
  local page = redis.call('HSCAN', facts, cursor, 'COUNT', 20)
  cursor = page[1]
  for i = 1, #page[2], 2 do
    local field = page[2][i]
    if #found < 2 * most and not known[field] then
      known[field] = true
      found[#found + 1], found[#found + 2] = field, page[2][i + 1]
    end
  end
until cursor == '0' or #found == 2 * most
return { redis.call('HLEN', facts), found }
"""


class FactsFullError(Exception):
    """The user already has the maximum number of facts."""


class Facts(NamedTuple):
    """Facts of one user."""

    stars: list[Star]
    games: list[tuple[GameKey, GameFact]]
    total: int
    """How many facts are stored, read or not."""


class FactStore:
    """Every method raises redis.RedisError if the store is not available."""

    def __init__(self, store: Store, buckets: Buckets, reads: Reads | None = None) -> None:
        self._store = store
        self._reads: Reads = reads or StoreReads(store)
        self._buckets = buckets
        self._put = NamedScript(store, _PUT, keys=_KEYS, arguments="user field value")
        self._remove = NamedScript(store, _REMOVE, keys=_KEYS, arguments="user *fields")
        self._index = NamedScript(store, _INDEX, keys=_KEYS, arguments="user")
        self._some = NamedScript(store, _SOME, keys="facts", arguments="most:int", writes=False)

    def is_any_lit(self, user: str, gids: Iterable[int], devices: Sequence[int]) -> bool:
        """Whether the star of at least one of the games is lit on one of the devices."""
        fields = [star_field(Star(*pair)) for pair in product(set(gids), devices)]
        return any(self._reads.hmget(self._buckets.of(user).facts(user), fields))

    def put_star(self, user: str, star: Star, *, lit: bool) -> None:
        """Raises FactsFullError."""
        if lit:
            self._put_fact(user, star_field(star), "1")
        else:
            self._remove(self._of(user), fields=[star_field(star)])

    def game_fact(self, user: str, key: GameKey) -> GameFact:
        """The fact, or NO_FACT if it is not stored."""
        (packed,) = self._reads.hmget(self._buckets.of(user).facts(user), [game_field(key)])
        return unpack_fact(packed)

    def put_game_fact(self, user: str, key: GameKey, fact: GameFact) -> None:
        """Raises FactsFullError."""
        packed = json.dumps({"code": fact.code, "number": fact.number})
        self._put_fact(user, game_field(key), packed)

    def all_of(self, user: str) -> Facts:
        """All facts of a user."""
        found = self._store.hgetall(self._buckets.of(user).facts(user))
        return _facts(found.items(), len(found))

    def some_of(self, user: str, most: int) -> Facts:
        """Up to `most` facts of a user, each kind in its order."""
        total, found = self._some(facts=self._buckets.of(user).facts(user), most=most)
        stars, games, _ = _facts(zip(found[::2], found[1::2], strict=True), total)
        return Facts(sorted(stars), sorted(games, key=itemgetter(0)), total)

    def delete(self, user: str) -> None:
        self._remove(self._of(user), fields=[])

    def index(self, users: Iterable[str]) -> None:
        """Adds those of the users who have facts to the index of their bucket."""
        self._index.many([self._of(user) for user in users])

    def _put_fact(self, user: str, field: str, value: str) -> None:
        if not self._put(self._of(user), field=field, value=value):
            raise FactsFullError

    def _of(self, user: str) -> NamedValues:
        bucket = self._buckets.of(user)
        return {"facts": bucket.facts(user), "fact_users": bucket.fact_users, "user": user}


def _facts(found: Iterable[tuple[bytes, bytes]], total: int) -> Facts:
    stars, games = [], []
    for field, packed in found:
        kind, *rest = json.loads(field)
        if kind == _STAR:
            stars.append(Star(*rest))
        else:
            games.append((GameKey(*rest), unpack_fact(packed)))
    return Facts(stars, games, total)


# JSON arrays, because the strings may contain any separator.
def star_field(star: Star) -> str:
    return json.dumps([_STAR, star.gid, star.device])


def game_field(key: GameKey) -> str:
    return json.dumps([_GAME, *key])


@lru_cache(maxsize=1_024)  # a batch often reads the same few facts for many users
def unpack_fact(packed: bytes | None) -> GameFact:
    """The stored fact, or NO_FACT for None."""
    return NO_FACT if packed is None else GameFact(**json.loads(packed))
