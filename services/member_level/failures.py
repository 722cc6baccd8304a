"""How calls of the member family fail; the messages are in the documents' language.

JSON callers see the messages of business failures; of a wrong parameter they see its field.
"""

import re

import grpc

from levelgate.access.v1 import reason_pb2 as reasons
from services.rules.ladder import Conflict
from services.runtime.errors import Failure, Violation

_NOT_FOUND = grpc.StatusCode.NOT_FOUND
_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_OUT_OF_RANGE = grpc.StatusCode.OUT_OF_RANGE


def user_not_found() -> Failure:
    return Failure(_NOT_FOUND, reasons.REASON_USER_NOT_FOUND, "用户不存在", _names("user_id"))


def level_not_found() -> Failure:
    return Failure(_NOT_FOUND, reasons.REASON_LEVEL_NOT_FOUND, "等级不存在", _names("vip_level"))


def rule_not_found(field: str) -> Failure:
    return Failure(_NOT_FOUND, reasons.REASON_RULE_NOT_FOUND, "等级规则不存在", _names(field))


def rule_version_not_found() -> Failure:
    reason = reasons.REASON_RULE_VERSION_NOT_FOUND
    return Failure(_NOT_FOUND, reason, "等级规则版本不存在", _names("version"))


def no_rules() -> Failure:
    return Failure(_PRECONDITION, reasons.REASON_NO_RULES, "未进行等级设置")


def version_mismatch(version: int) -> Failure:
    return Failure(
        grpc.StatusCode.ABORTED,
        reasons.REASON_VERSION_MISMATCH,
        "用户版本已变更",
        [_violation("expected_version", f"must be the user's version, which is {version}")],
        {"version": str(version)},
    )


def bill_no_used(delta: int) -> Failure:
    return Failure(
        grpc.StatusCode.ALREADY_EXISTS,
        reasons.REASON_BILL_NO_USED,
        "流水号已用于其他变更",
        [_violation("bill_no", f"stands for another change of this user: delta {delta}")],
    )


def points_out_of_range(points: int) -> Failure:
    return Failure(
        _PRECONDITION,
        reasons.REASON_POINTS_OUT_OF_RANGE,
        "积分超出范围",
        [_violation("delta", f"must leave a total of 0..2147483647; the user has {points}")],
    )


def history_too_short(oldest: str) -> Failure:
    return Failure(
        _OUT_OF_RANGE,
        reasons.REASON_HISTORY_TOO_SHORT,
        "历史记录已不保留",
        [_violation("time", f"must not be before the oldest change that is kept, of {oldest}")],
    )


def not_yet_a_member(since: str) -> Failure:
    violation = _violation("time", f"must not be before the user began, at {since}")
    return Failure(_NOT_FOUND, reasons.REASON_USER_NOT_FOUND, "用户不存在", [violation])


def cursor_invalid() -> Failure:
    description = "must be empty, or a cursor that this call returned for this store"
    violations = [_violation("cursor", description)]
    return Failure(_INVALID, reasons.REASON_CURSOR_INVALID, f"cursor: {description}", violations)


def cursor_expired() -> Failure:
    return Failure(
        _OUT_OF_RANGE,
        reasons.REASON_CURSOR_EXPIRED,
        "游标已过期",
        [_violation("cursor", "changes behind it are no longer kept: export, then watch anew")],
    )


def rules_full(most: int) -> Failure:
    reason = reasons.REASON_LIMIT_REACHED
    violation = _violation("vip_level", f"must not be one more: there are {most} rules, the most")
    return Failure(_PRECONDITION, reason, "等级规则数量已达上限", [violation])


def levels_full(most: int) -> Failure:
    description = f"must be a level that has had a rule: {most} levels have, which is the most"
    violations = [_violation("vip_level", description)]
    return Failure(_PRECONDITION, reasons.REASON_LIMIT_REACHED, "等级数量已达上限", violations)


def rules_conflict(conflict: Conflict, field: str) -> Failure:
    reason, description = {
        Conflict.LEVEL: (reasons.REASON_LEVEL_CONFLICT, "another rule has the same level"),
        Conflict.POINT: (
            reasons.REASON_POINT_CONFLICT,
            "must be 0 or more and below up_point, overlap no other rule, and rise with vip_level",
        ),
    }[conflict]
    violations = [_violation(field, description)]
    return Failure(_INVALID, reason, f"{field}: {description}", violations)


def plan_not_found() -> Failure:
    return Failure(_NOT_FOUND, reasons.REASON_PLAN_NOT_FOUND, "降级方案不存在", _names("plan_id"))


def plan_stale() -> Failure:
    reason = reasons.REASON_PLAN_STALE
    return Failure(_PRECONDITION, reason, "等级规则已变更，请重新制定方案", _names("plan_id"))


def demotion_running() -> Failure:
    reason = reasons.REASON_DEMOTION_RUNNING
    return Failure(_PRECONDITION, reason, "已有降级正在执行", _names("plan_id"))


def too_many_streams(limit: int) -> Failure:
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    message = f"this instance streams to {limit} callers, which is all it may"
    return Failure(code, reasons.REASON_TOO_MANY_STREAMS, message)


def going_down() -> Failure:
    code = grpc.StatusCode.UNAVAILABLE
    return Failure(code, reasons.REASON_SHUTTING_DOWN, "this instance is shutting down")


def _names(field: str) -> list[Violation]:
    return [_violation(field, "names nothing that is there")]


def _violation(field: str, description: str) -> Violation:
    # Of a contract of this family, a field's JSON name is its lowerCamelCase.
    return Violation(field, description, re.sub("_([a-z])", lambda found: found[1].upper(), field))
