"""The RPCs of the three checks in docs/api/upbot-*.md."""

import grpc

from levelgate.upbot.v1 import upbot_checks_pb2 as pb
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksServicer
from services.upbot_checks.eligibility.parse import parse_comparison
from services.upbot_checks.game_keys import game_key
from services.user_facts.fact import DEVICES
from services.user_facts.fact_store import FactStore
from services.user_state.state import UserState

# The replies are created once and shared: nothing after the servicer changes them.
_LEVEL_ANSWERS = {
    ok: pb.CheckUserXYLevelResponse(data=pb.CheckResult(ok=ok)) for ok in (False, True)
}
_STAR_ANSWERS = {ok: pb.CheckStarStateResponse(data=pb.CheckResult(ok=ok)) for ok in (False, True)}


class UpbotChecks(UpbotChecksServicer):
    """Implements levelgate.upbot.v1.UpbotChecks. An unknown user is not an error."""

    def __init__(self, users: UserState, facts: FactStore) -> None:
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
            result.compare_is_satisfied = parse_comparison(request.compare_info).holds(fact.number)
        return pb.CheckGameInfoResponse(data=result)
