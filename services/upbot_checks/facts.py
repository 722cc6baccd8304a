"""What is known of users' stars and games, in the store: one hash per user."""

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product

from services.store.keys import Buckets
from services.store.reads import Reads, StoreReads
from services.store.store import Store
from services.upbot_checks.fact import NO_FACT, GameFact, GameKey, Star

_STAR, _GAME = "star", "game"
# A reply of GetUserFacts has all of them, and 4 MiB: a game fact may have 3.1 KB.
MOST_FACTS = 1_000

_PUT = f"""
local is_new = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0
if is_new and redis.call('HLEN', KEYS[1]) >= {MOST_FACTS} then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
"""


class FactsFullError(Exception):
    """The user may have no more facts."""


class Facts:
    """Stars and game facts. Every method raises redis.RedisError where the store does not serve."""

    def __init__(self, store: Store, buckets: Buckets, reads: Reads | None = None) -> None:
        self._store = store
        self._reads: Reads = reads or StoreReads(store)
        self._buckets = buckets
        self._put = store.register_script(_PUT)

    def is_any_lit(self, user: str, gids: Iterable[int], devices: Sequence[int]) -> bool:
        """Whether one of the games is lit on one of the devices."""
        fields = [star_field(Star(*pair)) for pair in product(set(gids), devices)]
        return any(self._reads.hmget(self._buckets.of(user).facts(user), fields))

    def put_star(self, user: str, star: Star, *, lit: bool) -> None:
        """Raises FactsFullError."""
        if lit:
            self._put_fact(user, star_field(star), "1")
        else:
            self._store.hdel(self._buckets.of(user).facts(user), star_field(star))
            self._store.confirm()

    def game_fact(self, user: str, key: GameKey) -> GameFact:
        """The fact, NO_FACT if there is none."""
        (packed,) = self._reads.hmget(self._buckets.of(user).facts(user), [game_field(key)])
        return unpack_fact(packed)

    def put_game_fact(self, user: str, key: GameKey, fact: GameFact) -> None:
        """Raises FactsFullError."""
        packed = json.dumps({"code": fact.code, "number": fact.number})
        self._put_fact(user, game_field(key), packed)

    def everything(self, user: str) -> tuple[list[Star], list[tuple[GameKey, GameFact]]]:
        stars, games = [], []
        for field, packed in self._store.hgetall(self._buckets.of(user).facts(user)).items():
            kind, *rest = json.loads(field)
            if kind == _STAR:
                stars.append(Star(*rest))
            else:
                games.append((GameKey(*rest), unpack_fact(packed)))
        return stars, games

    def _put_fact(self, user: str, field: str, value: str) -> None:
        if not self._put([self._buckets.of(user).facts(user)], [field, value]):
            raise FactsFullError

    def delete(self, user: str) -> None:
        self._store.delete(self._buckets.of(user).facts(user))
        self._store.confirm()


# JSON arrays: the parts are opaque strings, and no separator is safe from them.
def star_field(star: Star) -> str:
    return json.dumps([_STAR, star.gid, star.device])


def game_field(key: GameKey) -> str:
    return json.dumps([_GAME, *key])


@lru_cache(maxsize=1_024)  # a batch reads the same few facts of many users
def unpack_fact(packed: bytes | None) -> GameFact:
    """NO_FACT where there is none."""
    return NO_FACT if packed is None else GameFact(**json.loads(packed))
