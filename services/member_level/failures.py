"""The failures of the member family. Codes and messages come from the error catalogue."""

import re

from levelgate.access.v1 import reason_pb2 as reasons
from services.rules.ladder import Conflict
from services.runtime.errors import Failure, Violation

_DOES_NOT_EXIST = "does not exist"


def user_not_found() -> Failure:
    return _failure(reasons.REASON_USER_NOT_FOUND, "user_id", _DOES_NOT_EXIST)


def level_not_found() -> Failure:
    return _failure(reasons.REASON_LEVEL_NOT_FOUND, "vip_level", _DOES_NOT_EXIST)


def rule_not_found(field: str) -> Failure:
    return _failure(reasons.REASON_RULE_NOT_FOUND, field, _DOES_NOT_EXIST)


def rule_version_not_found() -> Failure:
    return _failure(reasons.REASON_RULE_VERSION_NOT_FOUND, "version", _DOES_NOT_EXIST)


def rule_version_mismatch(version: int) -> Failure:
    description = f"must be the version of the rules, which is {version}"
    violations = [_violation("expected_version", description)]
    metadata = {"version": str(version)}
    return Failure(reasons.REASON_RULE_VERSION_MISMATCH, violations=violations, metadata=metadata)


def no_rules() -> Failure:
    return Failure(reasons.REASON_NO_RULES)


def version_mismatch(version: int) -> Failure:
    description = f"must be the member's version, which is {version}"
    violations = [_violation("expected_version", description)]
    metadata = {"version": str(version)}
    return Failure(reasons.REASON_VERSION_MISMATCH, violations=violations, metadata=metadata)


def bill_no_used(delta: int) -> Failure:
    description = f"was already used for another change of this member: delta {delta}"
    return _failure(reasons.REASON_BILL_NO_USED, "bill_no", description)


def points_out_of_range(points: int) -> Failure:
    description = f"must leave a total of 0..2147483647; the member has {points}"
    return _failure(reasons.REASON_POINTS_OUT_OF_RANGE, "delta", description)


def history_too_short(oldest: str) -> Failure:
    description = f"must not be before the oldest retained change, made at {oldest}"
    return _failure(reasons.REASON_HISTORY_TOO_SHORT, "time", description)


def not_yet_a_member(since: str) -> Failure:
    description = f"must not be before the member was initialised, at {since}"
    return _failure(reasons.REASON_USER_NOT_FOUND, "time", description)


def cursor_invalid() -> Failure:
    description = "must be empty, or a cursor that this call returned for this store"
    return _invalid(reasons.REASON_CURSOR_INVALID, "cursor", description)


def cursor_expired() -> Failure:
    description = "changes after this cursor were trimmed; export, then start a new watch"
    return _failure(reasons.REASON_CURSOR_EXPIRED, "cursor", description)


def rules_full(most: int) -> Failure:
    description = f"cannot get a rule: there are already {most} rules, the maximum"
    violations = [_violation("vip_level", description)]
    return Failure(reasons.REASON_LIMIT_REACHED, "等级规则数量已达上限", violations)


def levels_full(most: int, field: str = "vip_level") -> Failure:
    description = f"must be a level that has had a rule before: {most} have had one, the maximum"
    violations = [_violation(field, description)]
    return Failure(reasons.REASON_LIMIT_REACHED, "等级数量已达上限", violations)


def rules_conflict(conflict: Conflict, field: str) -> Failure:
    if conflict is Conflict.LEVEL:
        description = "another rule has the same level"
        return _invalid(reasons.REASON_LEVEL_CONFLICT, field, description)
    description = (
        "must be 0 or more and below up_point, overlap no other rule, and rise with vip_level"
    )
    return _invalid(reasons.REASON_POINT_CONFLICT, field, description)


def plan_not_found() -> Failure:
    return _failure(reasons.REASON_PLAN_NOT_FOUND, "plan_id", _DOES_NOT_EXIST)


def plan_stale() -> Failure:
    description = "the rules changed after this plan was made"
    return _failure(reasons.REASON_PLAN_STALE, "plan_id", description)


def demotion_running() -> Failure:
    description = "cannot be applied while another demotion is running"
    return _failure(reasons.REASON_DEMOTION_RUNNING, "plan_id", description)


def run_not_found() -> Failure:
    return _failure(reasons.REASON_RUN_NOT_FOUND, "run_id", _DOES_NOT_EXIST)


def shutting_down() -> Failure:
    return Failure(reasons.REASON_SHUTTING_DOWN)


def _failure(reason: "reasons.Reason.ValueType", field: str, description: str) -> Failure:
    return Failure(reason, violations=[_violation(field, description)])


def _invalid(reason: "reasons.Reason.ValueType", field: str, description: str) -> Failure:
    return Failure(reason, f"{field}: {description}", [_violation(field, description)])


def _violation(field: str, description: str) -> Violation:
    # In the contracts of this family the JSON name of a field is its lowerCamelCase.
    return Violation(field, description, re.sub("_([a-z])", lambda found: found[1].upper(), field))
