"""The documented page: from the message to the catalogue and back."""

import time
from collections.abc import Callable

import grpc

from levelgate.access.v1.reason_pb2 import REASON_SHOP_NOT_SET, REASON_TOKEN_MISSING
from levelgate.shop.v1 import shop_level_pb2 as pb
from levelgate.shop.v1.shop_level_pb2_grpc import ShopLevelServicer
from services.runtime.call import current_caller
from services.runtime.errors import Failure
from services.shop_level.catalogue import level_of, shown_levels, shown_member
from services.shop_level.shops import Member, Shops
from services.user_state.state import UserState


def not_set() -> Failure:
    """The documented error of a shop without settings."""
    return Failure(REASON_SHOP_NOT_SET)


def _nobody_named() -> Failure:
    message = "send a member's session token in `authorization`, or name a member in `uid`"
    return Failure(REASON_TOKEN_MISSING, message)


class ShopLevel(ShopLevelServicer):
    """docs/api/shop-member-level.md."""

    def __init__(
        self,
        users: UserState,
        shops: Shops,
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
        user = self._member_named(request)
        shop_id = request.i if request.HasField("i") else self._default_shop
        found = self._shops.get(shop_id)
        if found is None:
            raise not_set()
        shop, levels = found
        record = None if user is None else self._users.get(user)
        member = Member() if user is None else self._shops.member(shop_id, user)
        data = pb.MemberLevels(
            shop_set=shop.shop_set,
            shop_description=shop.shop_description,
            level_type=shop.level_type,
            data=shown_levels(shop, levels),
            member_data=shown_member(
                shop,
                None if record is None else level_of(levels, record.level),
                *member,
                days_left=0 if record is None else record.days_left(self._now()),
            ),
        )
        return pb.GetMemberLevelsResponse(result=1, msg="ok", data=data)

    def _member_named(self, request: pb.GetMemberLevelsRequest) -> str | None:
        """The token's own member, else `uid`; None for nobody, where the family is open."""
        own = current_caller().member
        if own is not None:
            return own
        if request.HasField("uid"):
            return request.uid
        if not self._is_open:
            raise _nobody_named()
        return None
