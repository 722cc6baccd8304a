"""What each request of this service must be; the ranges are told in the contract's comments."""

from collections.abc import Iterator

from google.protobuf.message import Message

from levelgate.member.v1.member_level_pb2 import (
    CreateRuleRequest,
    DeleteRuleRequest,
    DeleteUserRequest,
    InitUserRequest,
    LevelDownRequest,
    ListRulesRequest,
    ShowUserRequest,
    UpdateRuleRequest,
    UpdateUserRequest,
    UpgradeUserRequest,
)
from services.runtime.errors import Violation
from services.runtime.validation import (
    MAX_INT32,
    MAX_URL,
    Checks,
    identifier,
    integer,
    required,
    text,
)


def _names_a_rule(request: Message) -> Iterator[Violation]:
    if not request.HasField("id") and not request.HasField("vip_level"):
        yield Violation("vip_level", f"is required without id: 0..{MAX_INT32}")


# Negative points are no wrong parameter: the document answers them with pointConflict.
_RULE = (
    text("name", shortest=1),
    required("down_point"),
    required("up_point"),
    text("pic_url", longest=MAX_URL),
)

CHECKS: Checks = {
    InitUserRequest: [identifier("user_id")],
    UpgradeUserRequest: [identifier("user_id"), integer("point", 0)],
    DeleteUserRequest: [identifier("user_id")],
    UpdateUserRequest: [
        identifier("user_id"),
        integer("vip_level", 0),
        identifier("partner_id"),
    ],
    ShowUserRequest: [identifier("user_id")],
    CreateRuleRequest: [integer("vip_level", 0), *_RULE],
    DeleteRuleRequest: [required("id")],
    UpdateRuleRequest: [_names_a_rule, integer("vip_level", 0, optional=True), *_RULE],
    ListRulesRequest: [],
    LevelDownRequest: [],
}
