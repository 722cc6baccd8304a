"""The validation rules of each request; the comments of the .proto files state the ranges."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from levelgate.member.v1.demotion_pb2 import (
    ListAtRiskRequest,
    ListDemotionRunsRequest,
    PlanDemotionRequest,
    RunDemotionRequest,
    StartDemotionRequest,
    StopDemotionRequest,
)
from levelgate.member.v1.member_bulk_pb2 import ExportUsersRequest, ImportUsersRequest
from levelgate.member.v1.member_history_pb2 import (
    GetLevelAtRequest,
    ListHistoryRequest,
    WatchLevelsRequest,
)
from levelgate.member.v1.member_level_pb2 import (
    AddPointsRequest,
    CreateRuleRequest,
    DeleteRuleRequest,
    DeleteUserRequest,
    GetRuleBookRequest,
    InitUserRequest,
    LevelDownRequest,
    ListRulesRequest,
    PreviewRulesRequest,
    ShowUserRequest,
    UpdateRuleRequest,
    UpdateUserRequest,
    UpgradeUserRequest,
)
from levelgate.member.v1.members_pb2 import (
    CountMembersRequest,
    GetMemberRequest,
    ListMembersRequest,
    SearchMembersRequest,
)
from levelgate.member.v1.rule_books_pb2 import (
    ListRuleVersionsRequest,
    ReplaceRulesRequest,
    RestoreRulesRequest,
)
from services.runtime.errors import Violation
from services.runtime.validation import (
    MAX_INT32,
    MAX_URL,
    Checks,
    entries,
    identifier,
    integer,
    required,
    text,
)
from services.user_state.record import MAX_VERSION


def _id_or_level(request: Message) -> Iterator[Violation]:
    if not request.HasField("id") and not request.HasField("vip_level"):
        yield Violation("vip_level", f"is required unless id is given: 0..{MAX_INT32}")


_MAX_BILL_BYTES = 64
# A preview counts each level under each rule, and a reply of at most 2 MiB lists all rules.
MOST_RULES = 100
# Levels that have, or had, a rule. The plan of a demotion counts each: 1,000 took 7.6 s of its
# deadline of 10 s.
MOST_LEVELS = 200


def _delta(request: Any) -> Iterator[Violation]:
    if not request.HasField("delta"):
        yield Violation("delta", "is required: a number other than 0")
    elif request.delta == 0:
        yield Violation("delta", "must not be 0, which would change nothing")


def _bill_no(request: Any) -> Iterator[Violation]:
    size = len(request.bill_no.encode())
    if not 1 <= size <= _MAX_BILL_BYTES or not request.bill_no.isprintable():
        accepted = f"1-{_MAX_BILL_BYTES} bytes of printable characters"
        yield Violation("bill_no", f"must be {accepted}; got {size} bytes")


# Negative points are not refused here: the document answers them with pointConflict.
_RULE = (
    text("name", shortest=1),
    required("down_point"),
    required("up_point"),
    text("pic_url", longest=MAX_URL),
)

_THRESHOLDS = (integer("vip_level", 0), required("down_point"), required("up_point"))

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
    UpdateRuleRequest: [_id_or_level, integer("vip_level", 0, optional=True), *_RULE],
    ListRulesRequest: [],
    LevelDownRequest: [],
    AddPointsRequest: [
        identifier("user_id"),
        _delta,
        _bill_no,
        integer("expected_version", 0, MAX_VERSION, optional=True),
    ],
    PreviewRulesRequest: [entries("rules", *_THRESHOLDS, most=MOST_RULES)],
    GetRuleBookRequest: [integer("version", 0, optional=True)],
    ReplaceRulesRequest: [
        entries(
            "rules",
            *_THRESHOLDS,
            text("name", shortest=1),
            text("pic_url", longest=MAX_URL),
            most=MOST_RULES,
        ),
        integer("expected_version", 0),
    ],
    ListRuleVersionsRequest: [
        integer("page_size", 1, 100, optional=True),
        integer("before", 1, optional=True),
    ],
    RestoreRulesRequest: [integer("version", 1), integer("expected_version", 0)],
    CountMembersRequest: [],
    ListMembersRequest: [
        integer("level", 0),
        integer("min_points", 0, optional=True),
        integer("page_size", 1, 1_000, optional=True),
    ],
    SearchMembersRequest: [identifier("prefix"), integer("page_size", 1, 100, optional=True)],
    GetMemberRequest: [identifier("user_id")],
    ListHistoryRequest: [identifier("user_id")],
    GetLevelAtRequest: [identifier("user_id"), required("time")],
    WatchLevelsRequest: [],
    PlanDemotionRequest: [integer("sample_size", 0, 100, optional=True)],
    RunDemotionRequest: [identifier("plan_id")],
    StartDemotionRequest: [identifier("plan_id"), integer("rate", 1, 100_000, optional=True)],
    StopDemotionRequest: [identifier("run_id")],
    ListDemotionRunsRequest: [integer("page_size", 1, 101, optional=True)],
    ListAtRiskRequest: [integer("points", 1), integer("page_size", 1, 1_000, optional=True)],
    ImportUsersRequest: [entries("users")],
    ExportUsersRequest: [],
}
