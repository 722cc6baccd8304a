"""The ranges of parameters, as the comments of the contracts give them.

docs/design.md, "How the API documents are read", gives the reasons.
"""

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

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
from services.member_level.bulk_servicer import MAX_REJECTS
from services.member_level.import_rows import RowReader
from services.runtime.errors import Violation
from services.runtime.validation import Checks, Validator, violations
from services.suite import SUITE
from services.user_state.record import MAX_VERSION

ALL: Checks = {
    message: checks
    for service in SUITE
    for message, checks in import_module(f"services.{service.name}.validation").CHECKS.items()
}

GAME = {
    "openid": "u",
    "game_code": "cfm",
    "area_id": "1",
    "plat_id": "2",
    "game_check_info_id": 1,
    "xinyue_codes": ["1"],
}


def compared(**compare_info: int) -> upbot.CheckGameInfoRequest:
    return upbot.CheckGameInfoRequest(**GAME, compare_info=upbot.CompareInfo(**compare_info))  # type: ignore[arg-type]


def game(**fields: object) -> upbot.CheckGameInfoRequest:
    return upbot.CheckGameInfoRequest(**{**GAME, **fields})  # type: ignore[arg-type]


def threshold(**fields: int | None) -> member.ProposedRule:
    rule: dict[str, Any] = {"vip_level": 1, "down_point": 0, "up_point": 5, **fields}
    return member.ProposedRule(**rule)


def new_rule(**fields: int | str | None) -> rules.NewRule:
    rule: dict[str, Any] = {"vip_level": 1, "name": "a", "down_point": 0, "up_point": 5, **fields}
    return rules.NewRule(**rule)


def wrong_fields(message: Message) -> list[str]:
    return [each.json_field for each in violations(ALL[type(message)], message)[0]]


PAIR = ("min_versions[0].openid", "min_versions[0].version")
VERSION = eligibility.MinVersion(openid="u", version=1)
LEVEL = eligibility.Condition(level_at_least=1)


def nested_condition(depth: int) -> eligibility.Condition:
    """Returns a condition with this many nested negations."""
    condition = eligibility.Condition(level_at_least=1)
    for _ in range(depth):
        condition = eligibility.Condition(negated=condition)
    return condition


def wide_condition(parts: int) -> eligibility.Condition:
    each = [eligibility.Condition(level_at_least=1)] * parts
    return eligibility.Condition(all=eligibility.ConditionList(conditions=each))


def batch(**fields: Any) -> eligibility.EligibilityBatchCheckRequest:
    given = {"openids": ["u"], "condition": eligibility.Condition(level_at_least=1), **fields}
    return eligibility.EligibilityBatchCheckRequest(**given)


def test_a_refusal_names_exactly_the_wrong_fields() -> None:
    cases: list[tuple[Message, list[str]]] = [
        (upbot.CheckUserXYLevelRequest(openid="u", level=[1]), []),
        (upbot.CheckUserXYLevelRequest(openid="u"), ["levels"]),
        (upbot.CheckUserXYLevelRequest(level=[1]), ["openid"]),
        (upbot.CheckUserXYLevelRequest(), ["openid", "levels"]),
        (upbot.CheckUserXYLevelRequest(openid="u", level=range(1_000)), []),
        (upbot.CheckUserXYLevelRequest(openid="u", level=range(1_001)), ["levels"]),
        (upbot.CheckStarStateRequest(openid="u", gid=[1]), []),
        (upbot.CheckStarStateRequest(openid="u", gid=[1], device=1), []),
        (upbot.CheckStarStateRequest(openid="u", gid=[1], device=2), []),
        (upbot.CheckStarStateRequest(openid="u", gid=[1], device=0), ["device"]),
        (upbot.CheckStarStateRequest(openid="u", gid=[1], device=3), ["device"]),
        (upbot.CheckStarStateRequest(openid="u"), ["gids"]),
        (game(), []),
        (game(partition_id="7"), []),
        (game(partition_id=""), ["partition_id"]),
        (game(role_name="甲" * 128), []),
        (game(role_name="甲" * 129), ["role_name"]),
        (game(game_check_info_id=None), ["game_check_info_id"]),
        (game(xinyue_codes=[]), ["xinyue_codes"]),
        (game(xinyue_codes=[""]), ["xinyue_codes[0]"]),
        (game(xinyue_codes=["1"] * 1_000), []),
        (game(xinyue_codes=["1"] * 1_001), ["xinyue_codes"]),
        (batch(), []),
        (batch(openids=[]), ["openids"]),
        (batch(openids=["u"] * 10_000), []),
        (batch(openids=["u"] * 10_001), ["openids"]),
        (batch(openids=["u", "u" * 129]), ["openids[1]"]),
        (batch(openids=["u"] * 1_000, explain=True), []),
        (batch(openids=["u"] * 1_001, explain=True), ["openids"]),
        (batch(min_versions=[VERSION] * 1_000), []),
        (batch(min_versions=[VERSION] * 1_001), ["min_versions"]),
        (batch(min_versions=[eligibility.MinVersion()]), [*PAIR]),
        (batch(condition=None), ["condition"]),
        (batch(condition=nested_condition(7)), []),
        (batch(condition=nested_condition(8)), ["condition"]),
        (batch(condition=nested_condition(90)), ["condition"]),
        (batch(condition=wide_condition(63)), []),
        (batch(condition=wide_condition(64)), ["condition"]),
        (eligibility.EligibilityStreamCheckRequest(openids=["u"]), []),
        (eligibility.EligibilityStreamCheckRequest(), ["openids"]),
        (compared(compare_type=1, value=-5), []),
        (compared(compare_type=1), ["compare_info.value"]),
        (compared(value=1), ["compare_info.compare_type"]),
        (compared(compare_type=0, value=1), ["compare_info.compare_type"]),
        (compared(compare_type=7, value=1), ["compare_info.compare_type"]),
        (compared(compare_type=6, value=1), ["compare_info.rvalue"]),
        (compared(compare_type=6, value=-3, rvalue=-3), []),
        (compared(compare_type=6, value=2, rvalue=1), ["compare_info.rvalue"]),
        (compared(compare_type=5, value=2, rvalue=1), []),
        (member.UpgradeUserRequest(user_id="u", point=0), []),
        (member.UpgradeUserRequest(user_id="u", point=2**31 - 1), []),
        (member.UpgradeUserRequest(user_id="u", point=-1), ["point"]),
        (member.UpgradeUserRequest(user_id="u"), ["point"]),
        (member.UpdateUserRequest(user_id="u", vip_level=1), ["partnerId"]),
        (member.UpdateUserRequest(user_id="u", partner_id="p"), ["vipLevel"]),
        (member.CreateRuleRequest(), ["vipLevel", "name", "downPoint", "upPoint"]),
        (member.CreateRuleRequest(vip_level=1, name="a", down_point=-9, up_point=-9), []),
        (member.UpdateRuleRequest(name="a", down_point=1, up_point=2), ["vipLevel"]),
        (member.UpdateRuleRequest(id=1, name="a", down_point=1, up_point=2), []),
        (member.DeleteRuleRequest(), ["id"]),
        (member.AddPointsRequest(user_id="u", delta=-5, bill_no="b"), []),
        (member.AddPointsRequest(user_id="u"), ["delta", "billNo"]),
        (member.AddPointsRequest(user_id="u", delta=0, bill_no="b"), ["delta"]),
        (member.AddPointsRequest(user_id="u", delta=1, bill_no="b" * 64), []),
        (member.AddPointsRequest(user_id="u", delta=1, bill_no="b" * 65), ["billNo"]),
        (member.AddPointsRequest(user_id="u", delta=1, bill_no="甲" * 22), ["billNo"]),
        (member.AddPointsRequest(user_id="u", delta=1, bill_no="a\n"), ["billNo"]),
        (
            member.AddPointsRequest(user_id="u", delta=1, bill_no="b", expected_version=-1),
            ["expectedVersion"],
        ),
        (member.PreviewRulesRequest(), ["rules"]),
        (member.PreviewRulesRequest(rules=[threshold()] * 100), []),
        (member.PreviewRulesRequest(rules=[threshold()] * 101), ["rules"]),
        (
            member.PreviewRulesRequest(rules=[threshold(), threshold(down_point=None)]),
            ["rules[1].downPoint"],
        ),
        (member.PreviewRulesRequest(rules=[threshold(vip_level=-1)]), ["rules[0].vipLevel"]),
        (member.PreviewRulesRequest(rules=[threshold(down_point=-1)]), []),
        (rules.ReplaceRulesRequest(), ["rules", "expectedVersion"]),
        (rules.ReplaceRulesRequest(rules=[new_rule()] * 100, expected_version=0), []),
        (rules.ReplaceRulesRequest(rules=[new_rule()] * 101, expected_version=0), ["rules"]),
        (rules.ReplaceRulesRequest(rules=[new_rule()], expected_version=-1), ["expectedVersion"]),
        (
            rules.ReplaceRulesRequest(
                rules=[new_rule(), new_rule(name="", down_point=None)], expected_version=0
            ),
            ["rules[1].downPoint", "rules[1].name"],
        ),
        (
            rules.ReplaceRulesRequest(
                rules=[new_rule(vip_level=None, pic_url="x" * 2_049)], expected_version=0
            ),
            ["rules[0].vipLevel", "rules[0].picUrl"],
        ),
        (rules.RestoreRulesRequest(), ["version", "expectedVersion"]),
        (rules.RestoreRulesRequest(version=0, expected_version=0), ["version"]),
        (rules.RestoreRulesRequest(version=1, expected_version=0), []),
        (rules.ListRuleVersionsRequest(), []),
        (rules.ListRuleVersionsRequest(page_size=101, before=0), ["pageSize", "before"]),
        (member.GetRuleBookRequest(), []),
        (member.GetRuleBookRequest(version=-1), ["version"]),
        (history.ListHistoryRequest(), ["userId"]),
        (history.GetLevelAtRequest(user_id="u"), ["time"]),
        (history.WatchLevelsRequest(), []),
        (demotion.PlanDemotionRequest(sample_size=101), ["sampleSize"]),
        (demotion.PlanDemotionRequest(sample_size=0), []),
        (demotion.RunDemotionRequest(), ["planId"]),
        (demotion.StartDemotionRequest(), ["planId"]),
        (demotion.StartDemotionRequest(plan_id="p", rate=0), ["rate"]),
        (demotion.StartDemotionRequest(plan_id="p", rate=100_000), []),
        (demotion.StartDemotionRequest(plan_id="p", rate=100_001), ["rate"]),
        (demotion.StopDemotionRequest(), ["runId"]),
        (demotion.ListDemotionRunsRequest(page_size=101), []),
        (demotion.ListDemotionRunsRequest(page_size=102), ["pageSize"]),
        (demotion.ListAtRiskRequest(), ["points"]),
        (demotion.ListAtRiskRequest(points=0), ["points"]),
        (demotion.ListAtRiskRequest(points=1, page_size=1_001), ["pageSize"]),
        (bulk.ImportUsersRequest(), ["users"]),
        (bulk.ExportUsersRequest(), []),
        (shop.GetMemberLevelsRequest(), []),
        (shop.GetMemberLevelsRequest(i="", uid=""), ["i", "uid"]),
        (shop_admin.PutShopRequest(shop_id="1"), ["shop"]),
        (shop_admin.PutShopRequest(shop_id="1", shop=shop_admin.Shop()), ["shop.levelType"]),
        (facts.ImportFactsRequest(openid="u"), ["star"]),
        (facts.PutStarStateRequest(openid="u", star=facts.StarState(gid=1)), ["star.device"]),
    ]
    for message, fields in cases:
        assert wrong_fields(message) == fields, message


IDENTIFIERS: list[Callable[[str], Message]] = [
    lambda value: upbot.CheckUserXYLevelRequest(openid=value, level=[1]),
    lambda value: game(xinyue_codes=[value]),
    lambda value: member.InitUserRequest(user_id=value),
    lambda value: shop.GetMemberLevelsRequest(i=value),
]


def test_an_id_has_1_to_128_printable_characters() -> None:
    for message in IDENTIFIERS:
        for value in ("x", "x" * 128, "微信用户", "🎮", "a b", "a/b?c=d%", "'\"\\"):
            assert wrong_fields(message(value)) == [], value
        for value in ("", "x" * 129, "a\x00b", "a\nb", "\x7f", "\u200b", "\ufeff"):
            assert len(wrong_fields(message(value))) == 1, value


@given(st.text(max_size=200))
def test_no_violation_repeats_what_was_sent(value: str) -> None:
    request = upbot.CheckUserXYLevelRequest(
        openid="secret-" + value.encode(errors="ignore").decode()
    )
    for violation in violations(ALL[type(request)], request)[0]:
        assert "secret-" not in violation.description


BAD_INFO = eligibility.Condition(
    game_info=eligibility.GameInfoIs(xinyue_codes=[""] * 100, game_check_info_id=1)
)
MANY_CODES = eligibility.Condition(all=eligibility.ConditionList(conditions=[BAD_INFO] * 60))


@pytest.mark.parametrize(
    ("message", "count"),
    [
        (batch(openids=[""] * 10_000), 10_000),
        (batch(openids=["\0" * 128] * 10_000), 10_000),
        (batch(min_versions=[eligibility.MinVersion()] * 1_000), 2_000),
        (batch(condition=MANY_CODES), 60 * 103),
        (member.PreviewRulesRequest(rules=[threshold(vip_level=-1)] * 100), 100),
        # A list that is too long is a single violation, and is not read.
        (member.PreviewRulesRequest(rules=[threshold(vip_level=-1)] * 1_000), 1),
        (batch(min_versions=[eligibility.MinVersion()] * 1_001), 1),
    ],
)
def test_a_refusal_counts_the_violations_and_lists_the_first_ones(
    message: Message, count: int
) -> None:
    failure = Validator(ALL).failure(message)
    assert failure is not None
    # The 8 that are listed, and at most 1,000 more.
    assert failure.metadata["violations"] == str(min(count, 1_008))
    assert (" or more" in failure.message) == (count >= 1_008)
    assert len(failure.violations) == min(count, 8)
    assert failure.message.startswith(failure.violations[0].field + ": ")
    assert (" more" in failure.message) == (count > 1)


@pytest.mark.parametrize(
    "message",
    [
        batch(condition=wide_condition(1_000_000)),
        batch(openids=["\0" * 4_000_000]),
        member.PreviewRulesRequest(rules=[member.ProposedRule()] * 500_000),
    ],
    ids=["conditions", "one text", "entries"],
)
def test_a_huge_request_is_not_read_to_its_end(message: Message) -> None:
    began = time.thread_time()
    assert Validator(ALL).failure(message) is not None
    assert time.thread_time() - began < 0.05


def test_the_most_rejects_of_an_import_fit_into_its_reply() -> None:
    levels = frozenset(range(2**31 - 200, 2**31 - 100))
    row = bulk.UserRow(user_id="u", points=1, level=2**31 - 1)
    found = RowReader(levels).read(row)
    assert isinstance(found, Violation)
    reject = bulk.RejectedRow(position=2**31 - 1, field=found.field, description=found.description)
    reply = bulk.ImportUsersResponse(rejects=[reject] * MAX_REJECTS)
    assert reply.ByteSize() < 4 * 2**20


def test_every_request_has_a_row_in_the_table_of_its_service() -> None:
    rows = {message.DESCRIPTOR.full_name for message in ALL}
    requests = {method.input_type.full_name for service in services() for method in service.methods}
    assert rows == requests


@pytest.mark.parametrize(
    ("least", "request_of"),
    [
        (
            0,
            lambda at: member.AddPointsRequest(
                user_id="u", delta=1, bill_no="b", expected_version=at
            ),
        ),
        (
            1,
            lambda at: eligibility.EligibilityCheckRequest(
                openid="u", condition=LEVEL, min_version=at
            ),
        ),
        (
            1,
            lambda at: eligibility.EligibilityBatchCheckRequest(
                openids=["u"],
                condition=LEVEL,
                min_versions=[eligibility.MinVersion(openid="u", version=at)],
            ),
        ),
    ],
)
def test_every_version_that_the_store_can_have_is_accepted(
    least: int, request_of: Callable[[int], Message]
) -> None:
    for version in (least, 2**50 + 2, MAX_VERSION):
        assert wrong_fields(request_of(version)) == []
    for version in (least - 1, MAX_VERSION + 1):
        assert len(wrong_fields(request_of(version))) == 1
