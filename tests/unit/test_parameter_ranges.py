"""The ranges of parameters, as the comments of the contracts give them.

docs/design.md, "How the API documents are read", gives the reasons.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from google.protobuf.message import Message

from levelgate.member.v1 import demotion_pb2 as demotion
from levelgate.member.v1 import member_bulk_pb2 as bulk
from levelgate.member.v1 import member_history_pb2 as history
from levelgate.member.v1 import member_level_pb2 as member
from levelgate.member.v1 import rule_books_pb2 as rules
from levelgate.shop.v1 import shop_admin_pb2 as shop_admin
from levelgate.shop.v1 import shop_level_pb2 as shop
from levelgate.upbot.v1 import eligibility_pb2 as eligibility
from levelgate.upbot.v1 import upbot_checks_pb2 as upbot
from levelgate.upbot.v1 import user_facts_pb2 as facts
from services.access.scopes import services
from services.runtime.validation import violations
from services.user_state.record import MAX_VERSION
from tests.unit.messages import (
    CHECKS,
    LEVEL,
    batch,
    compared,
    game,
    new_rule,
    preview,
    replacement,
    threshold,
    wide,
)

# Values of these parameters that are accepted, and that are refused.
Values = Sequence[Any]
IDS: Values = ("x", "x" * 128, "微信用户", "🎮", "a b", "a/b?c=d%", "'\"\\")
NO_IDS: Values = ("", "x" * 129, "a\x00b", "a\nb", "\x7f", "\u200b", "\ufeff")
VERSIONS: Values = (1, 2**50 + 2, MAX_VERSION)
NO_VERSIONS: Values = (-1, MAX_VERSION + 1)


def nested(depth: int) -> eligibility.Condition:
    """Returns a condition with this many nested negations."""
    return eligibility.Condition(negated=nested(depth - 1)) if depth else LEVEL


def check(level: Sequence[int]) -> upbot.CheckUserXYLevelRequest:
    return upbot.CheckUserXYLevelRequest(openid="u", level=level)


def star(device: int | None) -> upbot.CheckStarStateRequest:
    return upbot.CheckStarStateRequest(openid="u", gid=[1], device=device)


def points(**fields: Any) -> member.AddPointsRequest:
    given: dict[str, Any] = {"user_id": "u", "delta": 1, "bill_no": "b", **fields}
    return member.AddPointsRequest(**given)


def min_version(version: int) -> eligibility.MinVersion:
    return eligibility.MinVersion(openid="u", version=version)


def restoration(**fields: Any) -> rules.RestoreRulesRequest:
    return rules.RestoreRulesRequest(**{"version": 1, "expected_version": 0, **fields})


def at_risk(**fields: Any) -> demotion.ListAtRiskRequest:
    return demotion.ListAtRiskRequest(**{"points": 1, **fields})


def wrong_fields(message: Message) -> list[str]:
    return [each.json_field for each in violations(CHECKS[type(message)], message)[0]]


RANGES: list[tuple[str, Callable[[Any], Message], Values, Values]] = [
    ("openid", lambda v: upbot.CheckUserXYLevelRequest(openid=v, level=[1]), IDS, NO_IDS),
    ("xinyue_codes[0]", lambda v: game(xinyue_codes=[v]), IDS, NO_IDS),
    ("userId", lambda v: member.InitUserRequest(user_id=v), IDS, NO_IDS),
    ("i", lambda v: shop.GetMemberLevelsRequest(i=v), IDS, NO_IDS),
    ("levels", check, ([1], range(1_000)), ([], range(1_001))),
    ("device", star, (None, 1, 2), (0, 3)),
    ("partition_id", lambda v: game(partition_id=v), ("7",), ("",)),
    ("role_name", lambda v: game(role_name=v), ("", "甲" * 128), ("甲" * 129,)),
    ("xinyue_codes", lambda v: game(xinyue_codes=["1"] * v), (1, 1_000), (0, 1_001)),
    ("compare_info.value", lambda v: compared(compare_type=1, value=v), (-5, 0), (None,)),
    ("compare_info.compare_type", lambda v: compared(compare_type=v, value=1), (5,), (None, 0, 7)),
    ("compare_info.rvalue", lambda v: compared(6, value=-3, rvalue=v), (-3, 0), (None, -4)),
    ("openids", lambda v: batch(openids=["u"] * v), (1, 10_000), (0, 10_001)),
    ("openids", lambda v: batch(openids=["u"] * v, explain=True), (1_000,), (1_001,)),
    ("openids[1]", lambda v: batch(openids=["u", v]), ("u" * 128,), ("u" * 129,)),
    ("min_versions", lambda v: batch(min_versions=[min_version(1)] * v), (0, 1_000), (1_001,)),
    ("condition", lambda v: batch(condition=nested(v)), (7,), (8, 90)),
    ("condition", lambda v: batch(condition=wide(v)), (63,), (64,)),
    ("point", lambda v: member.UpgradeUserRequest(user_id="u", point=v), (0, 2**31 - 1), (-1,)),
    ("delta", lambda v: points(delta=v), (-5, 1), (0,)),
    ("billNo", lambda v: points(bill_no=v), ("b" * 64,), ("b" * 65, "甲" * 22, "a\n")),
    ("rules", lambda v: preview(*[threshold()] * v), (100,), (0, 101)),
    ("rules[0].vipLevel", lambda v: preview(threshold(vip_level=v)), (0,), (-1,)),
    # A rule that cannot be is a conflict, which is an answer.
    ("rules[0].downPoint", lambda v: preview(threshold(down_point=v)), (-1, 0), (None,)),
    ("version", lambda v: member.GetRuleBookRequest(version=v), (None, 0), (-1,)),
    ("rules", lambda v: replacement(*[new_rule()] * v), (1, 100), (0, 101)),
    ("rules[0].name", lambda v: replacement(new_rule(name=v)), ("x" * 128,), ("", "x" * 129)),
    ("rules[0].downPoint", lambda v: replacement(new_rule(down_point=v)), (-1, 0), (None,)),
    (
        "rules[0].picUrl",
        lambda v: replacement(new_rule(pic_url=v)),
        (None, "", "x" * 2_048),
        ("x" * 2_049,),
    ),
    (
        "expectedVersion",
        lambda v: replacement(new_rule(), expected_version=v),
        (0, 2**31 - 1),
        (None, -1),
    ),
    ("version", lambda v: restoration(version=v), (1, 2**31 - 1), (None, 0)),
    ("expectedVersion", lambda v: restoration(expected_version=v), (0,), (None, -1)),
    (
        "pageSize",
        lambda v: rules.ListRuleVersionsRequest(page_size=v),
        (None, 1, 100),
        (0, 101),
    ),
    ("before", lambda v: rules.ListRuleVersionsRequest(before=v), (None, 1), (0,)),
    (
        "rate",
        lambda v: demotion.StartDemotionRequest(plan_id="p", rate=v),
        (None, 1, 100_000),
        (0, 100_001),
    ),
    (
        "pageSize",
        lambda v: demotion.ListDemotionRunsRequest(page_size=v),
        (None, 1, 101),
        (0, 102),
    ),
    ("sampleSize", lambda v: demotion.PlanDemotionRequest(sample_size=v), (0, 100), (101,)),
    ("points", lambda v: at_risk(points=v), (1,), (None, 0)),
    ("pageSize", lambda v: at_risk(page_size=v), (1, 1_000), (1_001,)),
    ("expectedVersion", lambda v: points(expected_version=v), (0, *VERSIONS), NO_VERSIONS),
    (
        "min_version",
        lambda v: eligibility.EligibilityCheckRequest(openid="u", condition=LEVEL, min_version=v),
        VERSIONS,
        (0, *NO_VERSIONS),
    ),
    (
        "min_versions[0].version",
        lambda v: batch(min_versions=[min_version(v)]),
        VERSIONS,
        (0, *NO_VERSIONS),
    ),
]


@pytest.mark.parametrize(("field", "message", "accepted", "refused"), RANGES)
def test_a_parameter_out_of_its_range_is_refused_by_its_name(
    field: str, message: Callable[[Any], Message], accepted: Values, refused: Values
) -> None:
    for value in accepted:
        assert wrong_fields(message(value)) == [], repr(value)[:200]
    for value in refused:
        assert wrong_fields(message(value)) == [field], repr(value)[:200]


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (upbot.CheckUserXYLevelRequest(), ["openid", "levels"]),
        (upbot.CheckStarStateRequest(openid="u"), ["gids"]),
        (game(game_check_info_id=None), ["game_check_info_id"]),
        (batch(condition=None), ["condition"]),
        (
            batch(min_versions=[eligibility.MinVersion()]),
            ["min_versions[0].openid", "min_versions[0].version"],
        ),
        (eligibility.EligibilityStreamCheckRequest(openids=["u"]), []),
        (eligibility.EligibilityStreamCheckRequest(), ["openids"]),
        # Only "between" has a second bound.
        (compared(compare_type=5, value=2, rvalue=1), []),
        (member.UpgradeUserRequest(user_id="u"), ["point"]),
        (member.UpdateUserRequest(user_id="u"), ["vipLevel", "partnerId"]),
        (member.CreateRuleRequest(), ["vipLevel", "name", "downPoint", "upPoint"]),
        (member.CreateRuleRequest(vip_level=1, name="a", down_point=-9, up_point=-9), []),
        (member.UpdateRuleRequest(name="a", down_point=1, up_point=2), ["vipLevel"]),
        (member.UpdateRuleRequest(id=1, name="a", down_point=1, up_point=2), []),
        (member.DeleteRuleRequest(), ["id"]),
        (member.AddPointsRequest(user_id="u"), ["delta", "billNo"]),
        (preview(threshold(), threshold(down_point=None)), ["rules[1].downPoint"]),
        (history.ListHistoryRequest(), ["userId"]),
        (history.GetLevelAtRequest(user_id="u"), ["time"]),
        (history.WatchLevelsRequest(), []),
        (rules.ReplaceRulesRequest(), ["rules", "expectedVersion"]),
        (rules.RestoreRulesRequest(), ["version", "expectedVersion"]),
        (demotion.RunDemotionRequest(), ["planId"]),
        (demotion.StartDemotionRequest(), ["planId"]),
        (demotion.StopDemotionRequest(), ["runId"]),
        (bulk.ImportUsersRequest(), ["users"]),
        (bulk.ExportUsersRequest(), []),
        (shop.GetMemberLevelsRequest(), []),
        (shop.GetMemberLevelsRequest(i="", uid=""), ["i", "uid"]),
        (shop_admin.PutShopRequest(shop_id="1"), ["shop"]),
        (shop_admin.PutShopRequest(shop_id="1", shop=shop_admin.Shop()), ["shop.levelType"]),
        (facts.ImportFactsRequest(openid="u"), ["star"]),
        (facts.PutStarStateRequest(openid="u", star=facts.StarState(gid=1)), ["star.device"]),
    ],
)
def test_a_refusal_names_exactly_the_fields_that_are_missing(
    message: Message, fields: list[str]
) -> None:
    assert wrong_fields(message) == fields


def test_every_request_has_a_row_in_the_table_of_its_service() -> None:
    rows = {message.DESCRIPTOR.full_name for message in CHECKS}
    requests = {method.input_type.full_name for service in services() for method in service.methods}
    assert rows == requests
