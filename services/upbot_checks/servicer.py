"""The documented checks: from the message to the domain and back."""

import grpc

from levelgate.upbot.v1 import upbot_checks_pb2 as pb
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksServicer
from levelgate.upbot.v1.user_facts_pb2 import GameInfo
from services.upbot_checks.compare import CompareType, Comparison
from services.upbot_checks.fact import DEVICES, GameKey
from services.upbot_checks.facts import Facts
from services.user_state.state import UserState

# The document's default for partition_id.
DEFAULT_PARTITION = "0"

# There are two answers, made once: nothing behind the servicer writes into them.
_LEVEL_ANSWERS = {
    ok: pb.CheckUserXYLevelResponse(data=pb.CheckResult(ok=ok)) for ok in (False, True)
}
_STAR_ANSWERS = {ok: pb.CheckStarStateResponse(data=pb.CheckResult(ok=ok)) for ok in (False, True)}


class UpbotChecks(UpbotChecksServicer):
    """Three reads; an unknown user is not an error."""

    def __init__(self, users: UserState, facts: Facts) -> None:
        self._users = users
        self._facts = facts

    def CheckUserXYLevel(
        self, request: pb.CheckUserXYLevelRequest, _context: grpc.ServicerContext
    ) -> pb.CheckUserXYLevelResponse:
        record = self._users.get(request.openid)
        return _LEVEL_ANSWERS[record is not None and record.level in request.level]

    def CheckStarState(
        self, request: pb.CheckStarStateRequest, _context: grpc.ServicerContext
    ) -> pb.CheckStarStateResponse:
        devices = [request.device] if request.HasField("device") else DEVICES
        ok = self._facts.is_any_lit(request.openid, request.gid, devices)
        return _STAR_ANSWERS[ok]

    def CheckGameInfo(
        self, request: pb.CheckGameInfoRequest, _context: grpc.ServicerContext
    ) -> pb.CheckGameInfoResponse:
        fact = self._facts.game_fact(request.openid, game_key(request))
        result = pb.GameInfoResult()
        for code in request.xinyue_codes:
            result.xinyue_code_to_is_satisfied[code] = code == fact.code
        if request.HasField("compare_info") and fact.number is not None:
            result.compare_is_satisfied = _comparison(request.compare_info).holds(fact.number)
        return pb.CheckGameInfoResponse(data=result)


def game_key(message: pb.CheckGameInfoRequest | GameInfo) -> GameKey:
    """What a fact is found by, with the document's default."""
    return GameKey(
        game_code=message.game_code,
        area_id=message.area_id,
        plat_id=message.plat_id,
        partition_id=message.partition_id
        if message.HasField("partition_id")
        else DEFAULT_PARTITION,
        role_name=message.role_name,
        game_check_info_id=message.game_check_info_id,
    )


def _comparison(info: pb.CompareInfo) -> Comparison:
    return Comparison(CompareType(info.compare_type), info.value, info.rvalue)
