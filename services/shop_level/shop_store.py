"""Reads and writes shops and the profiles of their members: docs/adr/0013-shop-documents.md.

A shop is one document, which is replaced as a whole, so that two writers never give the same weight
to two levels. Data of earlier releases are read from their own keys until they are first changed.
"""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from levelgate.shop.v1.shop_admin_pb2 import PutMemberRequest, ShopLevelSettings
from levelgate.shop.v1.shop_admin_pb2 import Shop as ShopMessage
from services.shop_level.documents import pack_profile, pack_shop, unpack_profile, unpack_shop
from services.shop_level.messages import read_level, read_shop
from services.shop_level.shop import Profile, Shop
from services.store import keys
from services.store.compare_and_set import CompareAndSet
from services.store.store import Store

_Decoded = TypeVar("_Decoded", bound=Message)


class DamagedDataError(Exception):
    """What an earlier release stored cannot be decoded. A DecodeError means a bad request."""


class ShopStore:
    """Every method raises redis.RedisError if the store is not available.

    Methods that read raise DamagedDataError and UnknownFormatError for what they cannot read.
    """

    def __init__(self, store: Store, buckets: keys.Buckets) -> None:
        self._store = store
        self._buckets = buckets
        self._compare_and_set = CompareAndSet(store)

    def get(self, shop_id: str) -> Shop | None:
        """None for a shop without settings."""
        return self._read(shop_id, self._store.get(keys.shop(shop_id)))

    def change(self, shop_id: str, decide: Callable[[Shop | None], Shop]) -> None:
        """Replaces the shop by the result of `decide`, which is called again if another writer
        was faster. If it raises, the shop stays as it is.
        """

        def decide_document(packed: bytes | None) -> bytes:
            return pack_shop(decide(self._read(shop_id, packed)))

        self._compare_and_set.change(keys.shop(shop_id), decide_document)

    def profile(self, shop_id: str, user: str) -> Profile:
        bucket = self._buckets.of(user)
        names = [bucket.shop_profile(shop_id, user), bucket.earlier_shop_profile(shop_id, user)]
        packed, earlier = self._store.get_many(names)
        if packed is not None:
            return unpack_profile(packed)
        if earlier is not None:
            message = _decoded(PutMemberRequest, earlier)
            return Profile(message.nickname, message.avatar)
        return Profile()

    def put_profile(self, shop_id: str, user: str, profile: Profile) -> None:
        key = self._buckets.of(user).shop_profile(shop_id, user)
        self._store.set(key, pack_profile(profile))

    def _read(self, shop_id: str, packed: bytes | None) -> Shop | None:
        return self._read_earlier(shop_id) if packed is None else unpack_shop(packed)

    def _read_earlier(self, shop_id: str) -> Shop | None:
        settings = self._store.get(keys.earlier_shop_settings(shop_id))
        if settings is None:
            return None
        levels = self._store.hgetall(keys.earlier_shop_levels(shop_id)).values()
        messages = [_decoded(ShopLevelSettings, level) for level in levels]
        return read_shop(_decoded(ShopMessage, settings), tuple(map(read_level, messages)))


def _decoded(kind: type[_Decoded], packed: bytes) -> _Decoded:
    try:
        return kind.FromString(packed)
    except DecodeError as error:
        raise DamagedDataError(kind.__name__) from error
