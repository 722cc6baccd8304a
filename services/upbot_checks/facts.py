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


class Facts:
    """Stars and game facts. Every method raises redis.RedisError where the store does not serve."""

    def __init__(self, store: Store, buckets: Buckets, reads: Reads | None = None) -> None:
        self._store = store
        self._reads: Reads = reads or StoreReads(store)
        self._buckets = buckets

    def is_any_lit(self, user: str, gids: Iterable[int], devices: Sequence[int]) -> bool:
        """Whether one of the games is lit on one of the devices."""
        fields = [star_field(Star(*pair)) for pair in product(set(gids), devices)]
        return any(self._reads.hmget(self._buckets.of(user).facts(user), fields))

    def put_star(self, user: str, star: Star, *, lit: bool) -> None:
        key = self._buckets.of(user).facts(user)
        if lit:
            self._store.hset(key, star_field(star), b"1")
        else:
            self._store.hdel(key, star_field(star))
        self._store.confirm()

    def game_fact(self, user: str, key: GameKey) -> GameFact:
        """The fact, NO_FACT if there is none."""
        (packed,) = self._reads.hmget(self._buckets.of(user).facts(user), [game_field(key)])
        return unpack_fact(packed)

    def put_game_fact(self, user: str, key: GameKey, fact: GameFact) -> None:
        packed = json.dumps({"code": fact.code, "number": fact.number})
        self._store.hset(self._buckets.of(user).facts(user), game_field(key), packed)
        self._store.confirm()

    def everything(self, user: str) -> tuple[list[Star], list[tuple[GameKey, GameFact]]]:
        stars, games = [], []
        for field, packed in self._store.hgetall(self._buckets.of(user).facts(user)).items():
            kind, *rest = json.loads(field)
            if kind == _STAR:
                stars.append(Star(*rest))
            else:
                games.append((GameKey(*rest), unpack_fact(packed)))
        return stars, games

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
