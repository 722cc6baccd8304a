"""The validation rules of each request; the comments of the .proto files state the ranges."""

from collections.abc import Iterator

from google.protobuf.message import Message

from levelgate.shop.v1.shop_admin_pb2 import (
    DeleteLevelRequest,
    GetShopRequest,
    PutLevelRequest,
    PutMemberRequest,
    PutShopRequest,
)
from levelgate.shop.v1.shop_level_pb2 import GetMemberLevelsRequest
from services.runtime.errors import Violation
from services.runtime.validation import (
    MAX_URL,
    Checks,
    identifier,
    integer,
    nested,
    required,
    text,
)
from services.shop_level.catalogue import LEVEL_TYPES

MAX_DESCRIPTION = 10_000


def _level_type(shop: Message) -> Iterator[Violation]:
    if getattr(shop, "level_type") not in LEVEL_TYPES:  # noqa: B009  (typed as Message)
        yield Violation("level_type", 'must be "0", "1" or "2"')


_SHOP_SET = nested(
    "shop_set",
    text("name"),
    text("logo", longest=MAX_URL),
    text("signimg", longest=MAX_URL),
    text("cservice", longest=MAX_URL),
    text("diycode", longest=MAX_URL),
    text("copyright", longest=MAX_URL),
    text("credit"),
    text("credit1"),
)
_GOODS = nested("goods", text("title"), text("thumb", longest=MAX_URL), text("price"))

CHECKS: Checks = {
    GetMemberLevelsRequest: [identifier("i", optional=True), identifier("uid", optional=True)],
    PutShopRequest: [
        identifier("shop_id"),
        required("shop"),
        nested(
            "shop",
            _SHOP_SET,
            text("shop_description", longest=MAX_DESCRIPTION),
            _level_type,
            text("no_level_name"),
        ),
    ],
    PutLevelRequest: [
        identifier("shop_id"),
        required("level"),
        nested(
            "level",
            integer("id", 1),
            integer("weight", 0),
            text("level_name", shortest=1),
            text("discount"),
            text("freight_reduction"),
            text("order_money"),
            text("order_count"),
            _GOODS,
            text("rent_free"),
            text("deposit_free"),
        ),
    ],
    DeleteLevelRequest: [identifier("shop_id"), integer("level_id", 1)],
    PutMemberRequest: [
        identifier("shop_id"),
        identifier("user_id"),
        text("nickname"),
        text("avatar", longest=MAX_URL),
    ],
    GetShopRequest: [identifier("shop_id")],
}
