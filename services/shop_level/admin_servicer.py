"""The RPCs with which operators maintain shops. They are not on the gateway."""

from dataclasses import replace

import grpc

from levelgate.access.v1.reason_pb2 import (
    REASON_LIMIT_REACHED,
    REASON_SHOP_LEVEL_NOT_FOUND,
    REASON_WEIGHT_TAKEN,
)
from levelgate.shop.v1 import shop_admin_pb2 as pb
from levelgate.shop.v1.shop_admin_pb2_grpc import ShopAdminServicer
from services.runtime.errors import Failure
from services.shop_level.catalogue import by_weight
from services.shop_level.messages import level_message, read_level, read_shop, shop_message
from services.shop_level.servicer import not_set
from services.shop_level.shop import (
    MAX_LEVEL_TEXT,
    MAX_LEVELS,
    LevelsFullError,
    Profile,
    Shop,
    WeightTakenError,
)
from services.shop_level.shop_store import ShopStore


class ShopAdmin(ShopAdminServicer):
    """Implements levelgate.shop.v1.ShopAdmin."""

    def __init__(self, shops: ShopStore) -> None:
        self._shops = shops

    def PutShop(
        self, request: pb.PutShopRequest, _context: grpc.ServicerContext
    ) -> pb.PutShopResponse:
        def put(shop: Shop | None) -> Shop:
            return read_shop(request.shop, () if shop is None else shop.levels)

        self._shops.change(request.shop_id, put)
        return pb.PutShopResponse()

    def PutLevel(
        self, request: pb.PutLevelRequest, _context: grpc.ServicerContext
    ) -> pb.PutLevelResponse:
        level = read_level(request.level)

        def put(shop: Shop | None) -> Shop:
            if shop is None:
                raise not_set()
            return shop.with_level(level)

        try:
            self._shops.change(request.shop_id, put)
        except WeightTakenError:
            raise Failure(REASON_WEIGHT_TAKEN) from None
        except LevelsFullError:
            limits = f"at most {MAX_LEVELS} levels, and {MAX_LEVEL_TEXT} bytes of text in them"
            message = f"a shop has {limits}"
            raise Failure(REASON_LIMIT_REACHED, message) from None
        return pb.PutLevelResponse()

    def DeleteLevel(
        self, request: pb.DeleteLevelRequest, _context: grpc.ServicerContext
    ) -> pb.DeleteLevelResponse:
        def delete(shop: Shop | None) -> Shop:
            if shop is None or all(level.id != request.level_id for level in shop.levels):
                raise Failure(REASON_SHOP_LEVEL_NOT_FOUND)
            levels = tuple(level for level in shop.levels if level.id != request.level_id)
            return replace(shop, levels=levels)

        self._shops.change(request.shop_id, delete)
        return pb.DeleteLevelResponse()

    def PutMember(
        self, request: pb.PutMemberRequest, _context: grpc.ServicerContext
    ) -> pb.PutMemberResponse:
        profile = Profile(request.nickname, request.avatar)
        self._shops.put_profile(request.shop_id, request.user_id, profile)
        return pb.PutMemberResponse()

    def GetShop(
        self, request: pb.GetShopRequest, _context: grpc.ServicerContext
    ) -> pb.GetShopResponse:
        shop = self._shops.get(request.shop_id)
        if shop is None:
            raise not_set()
        levels = map(level_message, by_weight(shop.levels))
        return pb.GetShopResponse(shop=shop_message(shop), levels=levels)
