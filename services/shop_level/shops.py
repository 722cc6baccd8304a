"""Shops, their levels and their members in the store, as serialised messages of the contract."""

from typing import NamedTuple, TypeVar

from levelgate.shop.v1.shop_admin_pb2 import PutMemberRequest, Shop, ShopLevelSettings
from services.store import keys
from services.store.store import Store

# Writes a level unless the shop is not there or another level has the weight, which only the
# caller can read out of the messages: it says what it saw, and is asked again if that is stale.
_PUT_LEVEL = """
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local seen = {}
for i = 3, #ARGV, 2 do seen[ARGV[i]] = ARGV[i + 1] end
local there = redis.call('HGETALL', KEYS[2])
if #there ~= #ARGV - 2 then return 0 end
for i = 1, #there, 2 do
  if seen[there[i]] ~= there[i + 1] then return 0 end
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
"""

# A page is printed as JSON of at most 2 MiB, in which a byte of text may become six.
MOST_LEVELS = 500
LARGEST_LEVELS = 256 * 1024

_Stored = TypeVar("_Stored", Shop, ShopLevelSettings, PutMemberRequest)


class ShopNotSetError(Exception):
    """The shop has no settings."""


class WeightTakenError(Exception):
    """Another level of the shop has the weight."""


class LevelsFullError(Exception):
    """The shop may have no more levels, or no larger ones."""


class Member(NamedTuple):
    """What a shop knows of a user; empty for one it has no record of."""

    nickname: str = ""
    avatar: str = ""


class Shops:
    """Every method raises redis.RedisError where the store does not serve."""

    def __init__(self, store: Store, buckets: keys.Buckets) -> None:
        self._store = store
        self._buckets = buckets
        self._put_level = store.register_script(_PUT_LEVEL)

    def get(self, shop_id: str) -> tuple[Shop, list[ShopLevelSettings]] | None:
        """The settings and the levels in no order; None for a shop without settings."""
        with self._store.pipeline(transaction=False) as pipeline:
            pipeline.get(keys.shop_settings(shop_id))
            pipeline.hvals(keys.shop_levels(shop_id))
            packed, levels = pipeline.execute()
        if packed is None:
            return None
        return _known_fields(Shop(), packed), [_level(each) for each in levels]

    def put(self, shop_id: str, shop: Shop) -> None:
        self._store.set(keys.shop_settings(shop_id), shop.SerializeToString())

    def put_level(self, shop_id: str, level: ShopLevelSettings) -> None:
        """Raises ShopNotSetError, WeightTakenError, LevelsFullError."""
        settings, levels = keys.shop_settings(shop_id), keys.shop_levels(shop_id)
        while True:
            seen = self._store.hgetall(levels)
            others = [_level(packed) for packed in seen.values()]
            others = [each for each in others if each.id != level.id]
            if any(each.weight == level.weight for each in others):
                raise WeightTakenError
            size = sum(each.ByteSize() for each in (*others, level))
            if len(others) >= MOST_LEVELS or size > LARGEST_LEVELS:
                raise LevelsFullError
            flat = [part for entry in seen.items() for part in entry]
            written = self._put_level(
                [settings, levels], [level.id, level.SerializeToString(), *flat]
            )
            if written == -1:
                raise ShopNotSetError
            if written:
                return

    def delete_level(self, shop_id: str, level_id: int) -> bool:
        """False if there was none."""
        return bool(self._store.hdel(keys.shop_levels(shop_id), str(level_id)))

    def member(self, shop_id: str, user: str) -> Member:
        packed = self._store.get(self._buckets.of(user).shop_member(shop_id, user))
        if packed is None:
            return Member()
        message = _known_fields(PutMemberRequest(), packed)
        return Member(message.nickname, message.avatar)

    def put_member(self, shop_id: str, user: str, member: Member) -> None:
        message = PutMemberRequest(nickname=member.nickname, avatar=member.avatar)
        key = self._buckets.of(user).shop_member(shop_id, user)
        self._store.set(key, message.SerializeToString())


def _level(packed: bytes) -> ShopLevelSettings:
    return _known_fields(ShopLevelSettings(), packed)


def _known_fields(message: _Stored, packed: bytes) -> _Stored:
    """Parses a stored message without the fields that the contract does not define.

    A field that was sent with a wrong wire type is kept by protobuf as an unknown field. Copied
    into the reply, it makes the gateway's transcoder answer 502 (found by `make fuzz`).
    """
    message.ParseFromString(packed)
    message.DiscardUnknownFields()
    return message
