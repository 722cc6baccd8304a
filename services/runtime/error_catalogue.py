"""The error catalogue: every error that callers can get, when it happens, and what they should do.

Texts of errors are changed here and nowhere else. `make generate` writes from this file the table
that the gateway's Lua reads, docs/errors.md, the table in README.md and the comments of
reason.proto. The JSON bodies are repeated in one test on purpose, so that nobody changes a body by
accident: tests/contract/failures.yaml.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from grpc import StatusCode


@dataclass(frozen=True)
class Outcome:
    """How a JSON client sees an error."""

    http: int
    ret: int
    """The number in the bodies of the upbot family."""
    text: str
    when: str
    action: str
    reason: str
    """For the header x-levelgate-reason where no service gave a reason that is known."""
    shop_text: str = ""
    """The text in the bodies of the shop family, where its document has another one."""
    retry_after: int = 0
    """The seconds in the header Retry-After; 0 for none."""


_BAD = "请求参数错误，请稍后再试"
_BUSY = "系统繁忙，请稍后再试"
_WRITES = (
    "A write may have been done: repeat AddPoints with the same idempotency key, and other writes"
    " if a repetition is harmless."
)

# The documents know no HTTP status, and their clients read the body. Therefore business errors are
# HTTP 200. Faults have the status that load balancers and alerts use.
BAD_PARAMETER = Outcome(
    200,
    1001,
    _BAD,
    "A parameter is missing, malformed or out of range, or the body is not valid JSON or UTF-8.",
    "Correct the request. The member and shop families name the field after the text: `…: point`.",
    reason="INVALID_PARAMETER",
)
DECLINED = Outcome(
    200,
    1001,
    _BAD,
    "The request is valid, but something does not exist, exists already, or has changed.",
    "See the reason in the table below.",
    reason="UNSPECIFIED",
)
UNAUTHENTICATED = Outcome(
    401,
    1002,
    "未授权",
    "The token is missing, unknown or expired, or a call of the shop family names no member.",
    "Get a new token and send it in `Authorization`.",
    reason="TOKEN_INVALID",
    shop_text="请登录",
)
FORBIDDEN = Outcome(
    403,
    1003,
    "无权限",
    "The token does not have the scope that the call needs.",
    "Ask the operators of levelgate for the scope.",
    reason="SCOPE_MISSING",
)
UNKNOWN_PATH = Outcome(
    404,
    1004,
    "接口不存在",
    "No call has this path.",
    "Compare the path with the calls that `/docs/` lists.",
    reason="METHOD_UNKNOWN",
)
WRONG_METHOD = Outcome(
    405,
    1005,
    "请求方法不支持",
    "The path exists, but not with this HTTP method.",
    "Use a method that the header `Allow` names.",
    reason="WRONG_METHOD",
)
REQUEST_TIMEOUT = Outcome(
    408,
    1001,
    _BAD,
    "The request did not arrive completely within 30 seconds.",
    "Send it again.",
    reason="REQUEST_TIMEOUT",
)
BODY_TOO_LARGE = Outcome(
    413,
    1001,
    "请求体过大",
    "The body is larger than 1 MiB; gRPC: the message is larger than 1 MiB, or 4 MiB for "
    "`upbot_checks`.",
    "Send less in one request.",
    reason="MESSAGE_TOO_LARGE",
)
TOO_MANY_REQUESTS = Outcome(
    429,
    1006,
    "请求过于频繁，请稍后再试",
    "There are more calls a second, or more calls or streams at a time, than a limit allows.",
    "Wait, then try again with a growing backoff.",
    reason="RATE_LIMITED",
    retry_after=1,
)
INTERNAL_ERROR = Outcome(
    500,
    1000,
    _BUSY,
    "A bug.",
    "Report the `x-request-id` of the answer, which finds the call in the logs.",
    reason="INTERNAL",
)
UNAVAILABLE = Outcome(
    503,
    1000,
    _BUSY,
    "The store or a service is down, or the gateway has too many calls in progress.",
    f"Try again with a growing backoff. {_WRITES}",
    reason="SERVICE_UNAVAILABLE",
    retry_after=2,
)
TOO_SLOW = Outcome(
    504,
    1000,
    _BUSY,
    "The call was not answered within its deadline.",
    f"Try again. {_WRITES}",
    reason="DEADLINE_EXCEEDED",
)
OUTCOMES = (
    BAD_PARAMETER,
    DECLINED,
    UNAUTHENTICATED,
    FORBIDDEN,
    UNKNOWN_PATH,
    WRONG_METHOD,
    REQUEST_TIMEOUT,
    BODY_TOO_LARGE,
    TOO_MANY_REQUESTS,
    INTERNAL_ERROR,
    UNAVAILABLE,
    TOO_SLOW,
)

# What the gateway makes of a service's gRPC code; every other code becomes INTERNAL_ERROR.
OUTCOME_OF_CODE: Mapping[StatusCode, Outcome] = {
    StatusCode.INVALID_ARGUMENT: BAD_PARAMETER,
    StatusCode.NOT_FOUND: DECLINED,
    StatusCode.ALREADY_EXISTS: DECLINED,
    StatusCode.FAILED_PRECONDITION: DECLINED,
    StatusCode.ABORTED: DECLINED,
    StatusCode.OUT_OF_RANGE: DECLINED,
    StatusCode.UNAUTHENTICATED: UNAUTHENTICATED,
    StatusCode.PERMISSION_DENIED: FORBIDDEN,
    StatusCode.RESOURCE_EXHAUSTED: TOO_MANY_REQUESTS,
    StatusCode.UNAVAILABLE: UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED: TOO_SLOW,
}


@dataclass(frozen=True)
class Entry:
    """What one Reason of reason.proto means."""

    code: StatusCode
    message: str
    """The message where a failure has none of its own. JSON clients see it where DECLINED is the
    outcome, so there it is in the language of the documents."""
    when: str
    action: str
    refused_as: Outcome | None = None
    """The outcome for JSON clients where the gateway itself refuses such a request."""

    @property
    def outcome(self) -> Outcome:
        return self.refused_as or OUTCOME_OF_CODE.get(self.code, INTERNAL_ERROR)


# By the name in reason.proto without its prefix, in the order of their numbers.
REASONS: Mapping[str, Entry] = {
    "INVALID_PARAMETER": Entry(
        StatusCode.INVALID_ARGUMENT,
        "",
        "A parameter is missing, malformed or out of range.",
        "Correct the fields that the BadRequest names.",
    ),
    "USER_NOT_FOUND": Entry(
        StatusCode.NOT_FOUND,
        "用户不存在",
        "The user does not exist, or did not exist yet at the time in the request.",
        "Initialise the user first.",
    ),
    "LEVEL_NOT_FOUND": Entry(
        StatusCode.NOT_FOUND,
        "等级不存在",
        "No rule has this level.",
        "Use a level that ListRules returns.",
    ),
    "RULE_NOT_FOUND": Entry(
        StatusCode.NOT_FOUND,
        "等级规则不存在",
        "No rule has this id or, for an update without an id, this level.",
        "Use an id that ListRules returns.",
    ),
    "NO_RULES": Entry(
        StatusCode.FAILED_PRECONDITION,
        "未进行等级设置",
        "There are no rules yet, so a user cannot get a level.",
        "Create the rules first.",
    ),
    "SHOP_NOT_SET": Entry(
        StatusCode.NOT_FOUND,
        "未进行等级设置",
        "The shop has no settings.",
        "Check the shop's id; operators create the settings with PutShop.",
    ),
    "SHOP_LEVEL_NOT_FOUND": Entry(
        StatusCode.NOT_FOUND,
        "the shop has no such level",
        "The shop has no level with this id.",
        "Use an id that GetShop returns.",
    ),
    "WEIGHT_TAKEN": Entry(
        StatusCode.ALREADY_EXISTS,
        "another level of the shop has this weight",
        "Another level of the shop has this weight.",
        "Choose another weight, or change the other level first.",
    ),
    "TOKEN_MISSING": Entry(
        StatusCode.UNAUTHENTICATED,
        "send an access token in `authorization`",
        "The call has no token, or names no member.",
        "Send a token; for the page of a shop, a member's session token or `uid`.",
    ),
    "TOKEN_INVALID": Entry(
        StatusCode.UNAUTHENTICATED,
        "the token is unknown or expired",
        "The token is unknown, expired or revoked.",
        "Get a new token.",
    ),
    "CREDENTIALS_INVALID": Entry(
        StatusCode.UNAUTHENTICATED,
        "the credentials are wrong",
        "The appid, the app_secret or the refresh_token is wrong, or the app is revoked.",
        "Check the credentials; do not try again with the same ones.",
    ),
    "SCOPE_MISSING": Entry(
        StatusCode.PERMISSION_DENIED,
        "the token does not have the scope",
        "The token does not have the scope of the method.",
        "Ask the operators for the scope, then get a new token.",
    ),
    "STORE_UNAVAILABLE": Entry(
        StatusCode.UNAVAILABLE,
        "the store does not answer",
        "The store does not answer.",
        f"Try again with a growing backoff. {_WRITES}",
    ),
    "DEADLINE_EXCEEDED": Entry(
        StatusCode.DEADLINE_EXCEEDED,
        "the deadline passed",
        "The caller's deadline passed.",
        f"Try again with more time. {_WRITES}",
    ),
    "INTERNAL": Entry(
        StatusCode.INTERNAL,
        "internal error",
        "A bug.",
        "Report the request id, which finds the call in the logs.",
    ),
    "VERSION_MISMATCH": Entry(
        StatusCode.ABORTED,
        "用户版本已变更",
        "The user is not at the expected version.",
        "Read the user again and decide again; the metadata `version` has its version.",
    ),
    "BILL_NO_USED": Entry(
        StatusCode.ALREADY_EXISTS,
        "流水号已用于其他变更",
        "The idempotency key (in JSON billNo) was used for another change of the user.",
        "Use a new bill_no for a new change.",
    ),
    "POINTS_OUT_OF_RANGE": Entry(
        StatusCode.FAILED_PRECONDITION,
        "积分超出范围",
        "The change would take the user's points out of 0..2147483647.",
        "Send a smaller change.",
    ),
    "HISTORY_TOO_SHORT": Entry(
        StatusCode.OUT_OF_RANGE,
        "历史记录已不保留",
        "The retained history does not reach back to this time.",
        "Ask for a time that is not before the one in the BadRequest.",
    ),
    "CURSOR_INVALID": Entry(
        StatusCode.INVALID_ARGUMENT,
        "",
        "The cursor is malformed, or comes from another store or another call.",
        "Send a cursor that the same call returned, or start without one.",
    ),
    "CURSOR_EXPIRED": Entry(
        StatusCode.OUT_OF_RANGE,
        "游标已过期",
        "Changes after this cursor were trimmed.",
        "Export the members, then start a new watch.",
    ),
    "LEVEL_CONFLICT": Entry(
        StatusCode.INVALID_ARGUMENT,
        "",
        "Two rules in the request have the same level.",
        "Correct the rules.",
    ),
    "POINT_CONFLICT": Entry(
        StatusCode.INVALID_ARGUMENT,
        "",
        "The points of a rule are negative, empty, overlap those of another rule, or do not rise "
        "with the level.",
        "Correct the rules.",
    ),
    "RULE_VERSION_NOT_FOUND": Entry(
        StatusCode.NOT_FOUND,
        "等级规则版本不存在",
        "The rules never had this version, or it is no longer retained.",
        "Ask for another version, or without one for the newest.",
    ),
    "PLAN_NOT_FOUND": Entry(
        StatusCode.NOT_FOUND,
        "降级方案不存在",
        "The app has no plan with this id, or the plan has expired.",
        "Make a new plan.",
    ),
    "PLAN_STALE": Entry(
        StatusCode.FAILED_PRECONDITION,
        "等级规则已变更，请重新制定方案",
        "The rules changed after the plan was made.",
        "Make a new plan.",
    ),
    "DEMOTION_RUNNING": Entry(
        StatusCode.FAILED_PRECONDITION,
        "已有降级正在执行",
        "Another demotion is running.",
        "Wait until it has finished, then try again.",
    ),
    "TOO_MANY_STREAMS": Entry(
        StatusCode.RESOURCE_EXHAUSTED,
        "too many streams are open; call again later",
        "The instance already has its maximum number of streams open.",
        "Close streams that are not needed, then try again with a growing backoff.",
    ),
    "APP_RATE_LIMITED": Entry(
        StatusCode.RESOURCE_EXHAUSTED,
        "the app makes too many calls a second; call again later",
        "The app makes more calls a second than the instance allows.",
        "Call less often; try again with a growing backoff.",
    ),
    "VERSION_NOT_REACHED": Entry(
        StatusCode.FAILED_PRECONDITION,
        "版本不存在",
        "The user has not reached the version that was asked for.",
        "Check the version: only one that a write returned is valid, unless the store lost data.",
    ),
    "METHOD_UNKNOWN": Entry(
        StatusCode.UNIMPLEMENTED,
        "there is no such method",
        "The method does not exist, or is not available at this address.",
        "Compare the method with docs/routes.md.",
        UNKNOWN_PATH,
    ),
    "MESSAGE_TOO_LARGE": Entry(
        StatusCode.RESOURCE_EXHAUSTED,
        "the request is larger than this method accepts",
        "The request is larger than the method accepts.",
        "Send less in one request.",
        BODY_TOO_LARGE,
    ),
    "TOO_MANY_CALLS": Entry(
        StatusCode.RESOURCE_EXHAUSTED,
        "too many calls are in progress; call again later",
        "A service or the gateway has as many calls in progress as it can answer; if it is the "
        "gateway, JSON clients get 503.",
        "Try again with a growing backoff.",
    ),
    "COMPRESSION_UNSUPPORTED": Entry(
        StatusCode.UNIMPLEMENTED,
        "this compression is not supported; use gzip, deflate or identity",
        "The message is compressed in a way that is not supported.",
        "Use gzip, deflate or no compression.",
    ),
    "SHUTTING_DOWN": Entry(
        StatusCode.UNAVAILABLE,
        "this instance is shutting down",
        "The instance is shutting down.",
        "Call again; another instance answers.",
    ),
    "CANCELLED": Entry(
        StatusCode.CANCELLED,
        "the caller ended the call",
        "The caller ended the call.",
        "No action is needed.",
    ),
    "RATE_LIMITED": Entry(
        StatusCode.RESOURCE_EXHAUSTED,
        "too many calls a second; call again later",
        "All callers together make more calls a second than the gateway allows.",
        "Try again with a growing backoff.",
    ),
    "SERVICE_UNAVAILABLE": Entry(
        StatusCode.UNAVAILABLE,
        "no instance of the service answers",
        "No instance of the service answers.",
        f"Try again with a growing backoff. {_WRITES}",
    ),
    "LIMIT_REACHED": Entry(
        StatusCode.FAILED_PRECONDITION,
        "",
        "There are as many levels of the shop, facts of the user, or rules as there may be.",
        "Delete what is no longer needed.",
    ),
    "RULE_VERSION_MISMATCH": Entry(
        StatusCode.ABORTED,
        "等级规则已变更",
        "The rules are not at the expected version: somebody else changed them.",
        "Read the rules and preview the change again; the metadata `version` has their version.",
    ),
    "RUN_NOT_FOUND": Entry(
        StatusCode.NOT_FOUND,
        "降级任务不存在",
        "No run has this id, or it is no longer retained.",
        "Use a run_id that StartDemotion or ListDemotionRuns returned.",
    ),
}


def body(family: str, outcome: Outcome, code: str = "") -> str:
    """The JSON body of an outcome, as the document of the family writes it.

    `code` is for the family "none", which has no document: its body repeats the HTTP status.
    """
    text = json.dumps(outcome.text, ensure_ascii=False)
    match family:
        case "upbot":
            return f'{{"ret":{outcome.ret},"msg":{text}}}'
        case "member":
            return f'{{"code":"error","msg":{text},"data":null}}'
        case "shop":
            text = json.dumps(outcome.shop_text or outcome.text, ensure_ascii=False)
            return f'{{"result":0,"msg":{text},"data":[]}}'
        case _:
            return f'{{"code":{code or outcome.http},"msg":{text}}}'
