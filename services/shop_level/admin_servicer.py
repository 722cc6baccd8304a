"""What the shop's page is made of; for operators, not on the gateway."""

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
from services.shop_level.servicer import not_set
from services.shop_level.shops import (
    LARGEST_LEVELS,
    MOST_LEVELS,
    LevelsFullError,
    Member,
    ShopNotSetError,
    Shops,
    WeightTakenError,
)


class ShopAdmin(ShopAdminServicer):
    """Writes and reads shops."""

    def __init__(self, shops: Shops) -> None:
        self._shops = shops

    def PutShop(
        self, request: pb.PutShopRequest, _context: grpc.ServicerContext
    ) -> pb.PutShopResponse:
        self._shops.put(request.shop_id, request.shop)
        return pb.PutShopResponse()

    def PutLevel(
        self, request: pb.PutLevelRequest, _context: grpc.ServicerContext
    ) -> pb.PutLevelResponse:
        try:
            self._shops.put_level(request.shop_id, request.level)
        except ShopNotSetError:
            raise not_set() from None
        except WeightTakenError:
            raise Failure(REASON_WEIGHT_TAKEN) from None
        except LevelsFullError:
            message = f"a shop has at most {MOST_LEVELS} levels, of {LARGEST_LEVELS} bytes together"
            raise Failure(REASON_LIMIT_REACHED, message) from None
        return pb.PutLevelResponse()

    def DeleteLevel(
        self, request: pb.DeleteLevelRequest, _context: grpc.ServicerContext
    ) -> pb.DeleteLevelResponse:
        if not self._shops.delete_level(request.shop_id, request.level_id):
            raise Failure(REASON_SHOP_LEVEL_NOT_FOUND)
        return pb.DeleteLevelResponse()

    def PutMember(
        self, request: pb.PutMemberRequest, _context: grpc.ServicerContext
    ) -> pb.PutMemberResponse:
        member = Member(request.nickname, request.avatar)
        self._shops.put_member(request.shop_id, request.user_id, member)
        return pb.PutMemberResponse()

    def GetShop(
        self, request: pb.GetShopRequest, _context: grpc.ServicerContext
    ) -> pb.GetShopResponse:
        found = self._shops.get(request.shop_id)
        if found is None:
            raise not_set()
        shop, levels = found
        return pb.GetShopResponse(shop=shop, levels=by_weight(levels))
