"""The RPC that returns the page of docs/api/shop-member-level.md."""

import time
from collections.abc import Callable

import grpc

from levelgate.access.v1.reason_pb2 import REASON_SHOP_NOT_SET, REASON_TOKEN_MISSING
from levelgate.shop.v1 import shop_level_pb2 as pb
from levelgate.shop.v1.shop_level_pb2_grpc import ShopLevelServicer
from services.runtime.call import current_caller
from services.runtime.errors import Failure
from services.shop_level.catalogue import level_of, shown_levels, shown_member
from services.shop_level.messages import shop_set_message
from services.shop_level.shop import Profile, ShopSet
from services.shop_level.shop_store import ShopStore
from services.user_state.state import UserState


def not_set() -> Failure:
    """The failure for a shop without settings; the document defines its message."""
    return Failure(REASON_SHOP_NOT_SET)


def _member_missing() -> Failure:
    message = "send a member's session token in `authorization`, or a member's id in `uid`"
    return Failure(REASON_TOKEN_MISSING, message)


class ShopLevel(ShopLevelServicer):
    """Implements levelgate.shop.v1.ShopLevel."""

    def __init__(
        self,
        users: UserState,
        shops: ShopStore,
        default_shop: str,
        *,
        is_open: bool,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._users = users
        self._shops = shops
        self._default_shop = default_shop
        self._is_open = is_open
        self._now = now

    def GetMemberLevels(
        self, request: pb.GetMemberLevelsRequest, _context: grpc.ServicerContext
    ) -> pb.GetMemberLevelsResponse:
        user = self._member(request)
        shop_id = request.i if request.HasField("i") else self._default_shop
        shop = self._shops.get(shop_id)
        if shop is None:
            raise not_set()
        record = None if user is None else self._users.get(user)
        level = None if record is None else level_of(shop.levels, record.level)
        profile = Profile() if user is None else self._shops.profile(shop_id, user)
        days_left = 0 if record is None else record.days_left(self._now())
        data = pb.MemberLevels(
            shop_set=shop_set_message(shop.shop_set or ShopSet()),
            shop_description=shop.shop_description,
            level_type=shop.level_type,
            data=shown_levels(shop),
            member_data=shown_member(shop, level, profile, days_left),
        )
        return pb.GetMemberLevelsResponse(result=1, msg="ok", data=data)

    def _member(self, request: pb.GetMemberLevelsRequest) -> str | None:
        """The member of the token, otherwise `uid`; None if neither is given in an open family."""
        member = current_caller().member
        if member is not None:
            return member
        if request.HasField("uid"):
            return request.uid
        if not self._is_open:
            raise _member_missing()
        return None
