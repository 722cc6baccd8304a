"""The validation rules of each request; the comments of the .proto files state the ranges."""

from collections.abc import Iterator, Sequence

from google.protobuf.message import Message

from levelgate.access.v1.access_tokens_pb2 import (
    GetAccessTokenRequest,
    IssueMemberTokenRequest,
    RefreshTokenRequest,
)
from levelgate.access.v1.registered_apps_pb2 import ListAppsRequest
from levelgate.upbot.v1.eligibility_pb2 import (
    CountUsersRequest,
    EligibilityBatchCheckRequest,
    EligibilityCheckRequest,
    EligibilityStreamCheckRequest,
    FindUsersPageRequest,
    FindUsersRequest,
    GameInfoIs,
)
from levelgate.upbot.v1.upbot_checks_pb2 import (
    COMPARE_TYPE_BETWEEN,
    CheckGameInfoRequest,
    CheckStarStateRequest,
    CheckUserXYLevelRequest,
    CompareInfo,
)
from levelgate.upbot.v1.user_facts_pb2 import (
    DeleteUserFactsRequest,
    GameInfo,
    GetUserFactsRequest,
    ImportFactsRequest,
    PutGameInfoRequest,
    PutStarStateRequest,
)
from services.runtime.errors import Violation
from services.runtime.validation import (
    MAX_ENTRIES,
    MAX_INT32,
    Check,
    Checks,
    entries,
    exactly,
    identifier,
    identifiers,
    integer,
    nested,
    required,
    text,
)
from services.upbot_checks.eligibility.validation import condition
from services.user_state.record import MAX_VERSION

_MOST_USERS = 10_000
# In a list inside a condition, because an explanation repeats the list for each user.
_MOST_VALUES = 100

ANY_INT32 = (-MAX_INT32 - 1, MAX_INT32)


def _bounds(compare: Message) -> Iterator[Violation]:
    assert isinstance(compare, CompareInfo)  # noqa: S101  (narrows the type)
    if compare.compare_type != COMPARE_TYPE_BETWEEN:
        return
    if not compare.HasField("rvalue"):
        yield Violation("rvalue", "is required for compare_type 6")
    elif compare.value > compare.rvalue:
        yield Violation("rvalue", f"must not be less than value; got {compare.rvalue}")


def _codes_or_comparison(request: Message) -> Iterator[Violation]:
    assert isinstance(request, CheckGameInfoRequest | GameInfoIs)  # noqa: S101  (narrows the type)
    if not request.xinyue_codes and not request.HasField("compare_info"):
        yield Violation("xinyue_codes", "is required unless compare_info is given")


def _code_or_number(fact: Message) -> Iterator[Violation]:
    assert isinstance(fact, GameInfo)  # noqa: S101  (narrows the type)
    if not fact.HasField("code") and not fact.HasField("number"):
        yield Violation("code", "is required unless number is given")


def _explained_users(request: Message) -> Iterator[Violation]:
    assert isinstance(request, EligibilityBatchCheckRequest | EligibilityStreamCheckRequest)  # noqa: S101  (narrows the type)
    count = len(request.openids)
    if request.explain and count > MAX_ENTRIES:
        yield Violation("openids", f"must be at most {MAX_ENTRIES} with explain; got {count}")


def _star_or_game_info(request: Message) -> Iterator[Violation]:
    if request.WhichOneof("fact") is None:
        yield Violation("star", "is required unless game_info is given")


_GAME_KEY: tuple[Check, ...] = (
    identifier("game_code"),
    identifier("area_id"),
    identifier("plat_id"),
    identifier("partition_id", optional=True),
    text("role_name"),
    integer("game_check_info_id", *ANY_INT32),
)
_STAR = nested("star", integer("device", 1, 2))
_GAME_INFO = nested("game_info", *_GAME_KEY, identifier("code", optional=True), _code_or_number)

_COMPARE: tuple[Check, ...] = (
    integer("compare_type", 1, 6),
    required("value"),
    _bounds,
)
_CONDITION = condition(
    "condition",
    nested("level_in", entries("levels", most=_MOST_VALUES)),
    nested("points", *_COMPARE),
    nested("star", entries("gids", most=_MOST_VALUES), integer("device", 1, 2, optional=True)),
    nested(
        "game_info",
        *_GAME_KEY,
        identifiers("xinyue_codes", most=_MOST_VALUES),
        _codes_or_comparison,
        nested("compare_info", *_COMPARE),
    ),
)
_BATCH: Sequence[Check] = (
    identifiers("openids", 1, _MOST_USERS),
    _CONDITION,
    _explained_users,
    entries("min_versions", identifier("openid"), integer("version", 1, MAX_VERSION), least=0),
)

CHECKS: Checks = {
    CheckUserXYLevelRequest: [identifier("openid"), entries("level")],
    CheckStarStateRequest: [
        identifier("openid"),
        entries("gid"),
        integer("device", 1, 2, optional=True),
    ],
    CheckGameInfoRequest: [
        identifier("openid"),
        *_GAME_KEY,
        identifiers("xinyue_codes"),
        _codes_or_comparison,
        nested("compare_info", *_COMPARE),
    ],
    PutStarStateRequest: [identifier("openid"), required("star"), _STAR],
    PutGameInfoRequest: [identifier("openid"), required("game_info"), _GAME_INFO],
    ImportFactsRequest: [identifier("openid"), _star_or_game_info, _STAR, _GAME_INFO],
    GetUserFactsRequest: [identifier("openid")],
    DeleteUserFactsRequest: [identifier("openid")],
    EligibilityCheckRequest: [
        identifier("openid"),
        required("condition"),
        _CONDITION,
        integer("min_version", 1, MAX_VERSION, optional=True),
    ],
    EligibilityBatchCheckRequest: [*_BATCH, required("condition")],
    EligibilityStreamCheckRequest: _BATCH,
    FindUsersRequest: [required("condition"), _CONDITION],
    FindUsersPageRequest: [
        required("condition"),
        _CONDITION,
        integer("page_size", 1, 1_000, optional=True),
    ],
    CountUsersRequest: [required("condition"), _CONDITION],
    ListAppsRequest: [integer("page_size", 1, 1_000, optional=True), text("after")],
    GetAccessTokenRequest: [
        identifier("appid"),
        identifier("app_secret"),
        exactly("grant_type", "client_credentials"),
    ],
    RefreshTokenRequest: [
        identifier("appid"),
        identifier("refresh_token"),
        exactly("grant_type", "refresh_token"),
    ],
    IssueMemberTokenRequest: [identifier("user_id")],
}
