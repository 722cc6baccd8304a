"""Valid requests, in which a test changes the part that it is about."""

from importlib import import_module
from typing import Any

from levelgate.member.v1 import member_level_pb2 as member
from levelgate.member.v1 import rule_books_pb2 as rules
from levelgate.upbot.v1 import eligibility_pb2 as eligibility
from levelgate.upbot.v1 import upbot_checks_pb2 as upbot
from services.runtime.validation import Checks
from services.suite import SUITE

CHECKS: Checks = {
    message: checks
    for service in SUITE
    for message, checks in import_module(f"services.{service.name}.validation").CHECKS.items()
}
LEVEL = eligibility.Condition(level_at_least=1)


def game(**fields: Any) -> upbot.CheckGameInfoRequest:
    given = {
        "openid": "u",
        "game_code": "cfm",
        "area_id": "1",
        "plat_id": "2",
        "game_check_info_id": 1,
        "xinyue_codes": ["1"],
    }
    return upbot.CheckGameInfoRequest(**{**given, **fields})


def compared(compare_type: int | None, **bounds: int | None) -> upbot.CheckGameInfoRequest:
    return game(compare_info=upbot.CompareInfo(compare_type=compare_type, **bounds))


def threshold(**fields: int | None) -> member.ProposedRule:
    rule: dict[str, Any] = {"vip_level": 1, "down_point": 0, "up_point": 5, **fields}
    return member.ProposedRule(**rule)


def replacement(*new: rules.NewRule, **fields: Any) -> rules.ReplaceRulesRequest:
    return rules.ReplaceRulesRequest(**{"rules": new, "expected_version": 0, **fields})


def new_rule(**fields: Any) -> rules.NewRule:
    given = {"vip_level": 1, "name": "a", "down_point": 0, "up_point": 5, **fields}
    return rules.NewRule(**given)


def preview(*rules: member.ProposedRule) -> member.PreviewRulesRequest:
    return member.PreviewRulesRequest(rules=rules)


def wide(parts: int) -> eligibility.Condition:
    return eligibility.Condition(all=eligibility.ConditionList(conditions=[LEVEL] * parts))


def batch(**fields: Any) -> eligibility.EligibilityBatchCheckRequest:
    given = {"openids": ["u"], "condition": LEVEL, **fields}
    return eligibility.EligibilityBatchCheckRequest(**given)
