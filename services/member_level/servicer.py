"""The RPCs on members, of the MemberLevel service."""

import time

import grpc

from levelgate.member.v1 import member_level_pb2 as pb
from services.member_level import failures
from services.member_level.demotion.coordinator import DemotionCoordinator
from services.member_level.messages import SUCCESS
from services.member_level.rule_servicer import RuleServicer
from services.rules.rule_book import RuleBook
from services.runtime.call import current_app
from services.runtime.cancellation import caller_left
from services.user_state.bulk import BulkUsers
from services.user_state.record import SECONDS_PER_DAY
from services.user_state.state import Added, Addition, Bill, Outcome, UserState

# The gateway's route of /leveldown has a timeout of a minute; other callers do not wait longer.
_LONGEST_WAIT = 60.0
# Seconds before the caller's deadline that are reserved for the reply.
_TIME_TO_ANSWER = 0.5


class MemberLevel(RuleServicer):
    """Implements levelgate.member.v1.MemberLevel."""

    def __init__(
        self,
        users: UserState,
        bulk: BulkUsers,
        rules: RuleBook,
        demotions: DemotionCoordinator,
        *,
        manual_level_days: int,
    ) -> None:
        super().__init__(rules, bulk)
        self._users = users
        self._demotions = demotions
        self._manual_level_days = manual_level_days

    def InitUser(
        self, request: pb.InitUserRequest, _context: grpc.ServicerContext
    ) -> pb.InitUserResponse:
        thresholds = self._rules.book().thresholds
        if not thresholds.levels:
            raise failures.no_rules()
        self._users.initialise(
            request.user_id, thresholds.levels[0], thresholds.version, current_app()
        )
        return pb.InitUserResponse(code=SUCCESS, data=SUCCESS)

    def UpgradeUser(
        self, request: pb.UpgradeUserRequest, _context: grpc.ServicerContext
    ) -> pb.UpgradeUserResponse:
        thresholds = self._rules.book().thresholds
        upgrade = self._users.set_points(request.user_id, request.point, thresholds, current_app())
        if upgrade is None:
            raise failures.user_not_found()
        result = pb.UpgradeResult(level=upgrade.record.level, upgraded=int(upgrade.rose))
        return pb.UpgradeUserResponse(code=SUCCESS, data=result)

    def AddPoints(
        self, request: pb.AddPointsRequest, _context: grpc.ServicerContext
    ) -> pb.AddPointsResponse:
        expected = request.expected_version if request.HasField("expected_version") else None
        bill = Bill(request.bill_no, current_app(), expected)
        thresholds = self._rules.book().thresholds
        addition = self._users.add_points(request.user_id, request.delta, bill, thresholds)
        return pb.AddPointsResponse(code=SUCCESS, data=_points_result(request, addition))

    def DeleteUser(
        self, request: pb.DeleteUserRequest, _context: grpc.ServicerContext
    ) -> pb.DeleteUserResponse:
        self._users.delete(request.user_id, current_app())
        return pb.DeleteUserResponse(code=SUCCESS, data=SUCCESS)

    def UpdateUser(
        self, request: pb.UpdateUserRequest, _context: grpc.ServicerContext
    ) -> pb.UpdateUserResponse:
        if self._rules.book().ladder.rule_of(request.vip_level) is None:
            raise failures.level_not_found()
        protected_until = int(time.time()) + self._manual_level_days * SECONDS_PER_DAY
        record = self._users.set_manually(
            request.user_id, request.vip_level, request.partner_id, protected_until, current_app()
        )
        if record is None:
            raise failures.user_not_found()
        return pb.UpdateUserResponse(code=SUCCESS, data="upSuccess")

    def ShowUser(
        self, request: pb.ShowUserRequest, _context: grpc.ServicerContext
    ) -> pb.ShowUserResponse:
        record = self._users.get(request.user_id)
        if record is None:
            raise failures.user_not_found()
        rule = self._rules.book().ladder.rule_of(record.level)
        icon = None if rule is None else rule.picture
        return pb.ShowUserResponse(code=SUCCESS, data=pb.UserLevel(level=record.level, icon=icon))

    def LevelDown(
        self, _request: pb.LevelDownRequest, context: grpc.ServicerContext
    ) -> pb.LevelDownResponse:
        remaining: float | None = context.time_remaining()  # the stub omits None, for no deadline
        wait = _LONGEST_WAIT
        if remaining is not None:
            wait = min(remaining - _TIME_TO_ANSWER, _LONGEST_WAIT)
        follower = self._demotions.follower(context, wait)
        self._demotions.run_to_completion(current_app(), follower)
        if follower.has_left:
            raise caller_left()
        return pb.LevelDownResponse(code=SUCCESS, data=SUCCESS)


def _points_result(request: pb.AddPointsRequest, addition: Addition) -> pb.PointsResult:
    match addition.outcome:
        case Outcome.UNKNOWN:
            raise failures.user_not_found()
        case Outcome.VERSION:
            raise failures.version_mismatch(addition.found)
        case Outcome.RANGE:
            raise failures.points_out_of_range(addition.found)
        case Outcome.DONE | Outcome.REPEAT:
            return _answer(request, addition.added)


def _answer(request: pb.AddPointsRequest, added: Added | None) -> pb.PointsResult:
    if added is None:
        raise TypeError("an addition without a result")
    if added.delta != request.delta:
        raise failures.bill_no_used(added.delta)
    return pb.PointsResult(
        points=added.points, level=added.level, upgraded=added.rose, version=added.version
    )
