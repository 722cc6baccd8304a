"""The documented calls on users and rules: from the message to the domain and back."""

import time
from collections.abc import Callable
from dataclasses import replace

import grpc

from levelgate.access.v1.reason_pb2 import (
    REASON_LEVEL_NOT_FOUND,
    REASON_NO_RULES,
    REASON_RULE_NOT_FOUND,
    REASON_USER_NOT_FOUND,
)
from levelgate.member.v1 import member_level_pb2 as pb
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelServicer
from services.member_level.ladder import Conflict, Rule
from services.member_level.rule_book import Book, RuleBook
from services.runtime.errors import Failure
from services.user_state.record import SECONDS_PER_DAY
from services.user_state.state import Floor, UserState

SUCCESS = "success"

NOT_FOUND = grpc.StatusCode.NOT_FOUND


class MemberLevel(MemberLevelServicer):
    """docs/api/member-level.md, call by call."""

    def __init__(
        self,
        users: UserState,
        rules: RuleBook,
        manual_level_days: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._users = users
        self._rules = rules
        self._manual_level_days = manual_level_days
        self._now = now

    def InitUser(
        self, request: pb.InitUserRequest, _context: grpc.ServicerContext
    ) -> pb.InitUserResponse:
        lowest = self._rules.ladder().lowest_level()
        if lowest is None:
            code = grpc.StatusCode.FAILED_PRECONDITION
            raise Failure(code, REASON_NO_RULES, "未进行等级设置")
        self._users.initialise(request.user_id, lowest)
        return pb.InitUserResponse(code=SUCCESS, data=SUCCESS)

    def UpgradeUser(
        self, request: pb.UpgradeUserRequest, _context: grpc.ServicerContext
    ) -> pb.UpgradeUserResponse:
        earned = self._rules.ladder().level_for(request.point)
        upgrade = self._users.upgrade(request.user_id, request.point, earned)
        if upgrade is None:
            raise _user_not_found()
        result = pb.UpgradeResult(level=upgrade.record.level, upgraded=int(upgrade.rose))
        return pb.UpgradeUserResponse(code=SUCCESS, data=result)

    def DeleteUser(
        self, request: pb.DeleteUserRequest, _context: grpc.ServicerContext
    ) -> pb.DeleteUserResponse:
        self._users.delete(request.user_id)
        return pb.DeleteUserResponse(code=SUCCESS, data=SUCCESS)

    def UpdateUser(
        self, request: pb.UpdateUserRequest, _context: grpc.ServicerContext
    ) -> pb.UpdateUserResponse:
        if self._rules.ladder().rule_of(request.vip_level) is None:
            raise Failure(NOT_FOUND, REASON_LEVEL_NOT_FOUND, "等级不存在")
        protected_until = int(self._now()) + self._manual_level_days * SECONDS_PER_DAY
        record = self._users.set_by_hand(
            request.user_id, request.vip_level, request.partner_id, protected_until
        )
        if record is None:
            raise _user_not_found()
        return pb.UpdateUserResponse(code=SUCCESS, data="upSuccess")

    def ShowUser(
        self, request: pb.ShowUserRequest, _context: grpc.ServicerContext
    ) -> pb.ShowUserResponse:
        record = self._users.get(request.user_id)
        if record is None:
            raise _user_not_found()
        rule = self._rules.ladder().rule_of(record.level)
        icon = None if rule is None else rule.picture
        return pb.ShowUserResponse(code=SUCCESS, data=pb.UserLevel(level=record.level, icon=icon))

    def CreateRule(
        self, request: pb.CreateRuleRequest, _context: grpc.ServicerContext
    ) -> pb.CreateRuleResponse:
        conflict: Conflict | None = None

        def add(book: Book) -> Book | None:
            nonlocal conflict
            rule = Rule(
                id=book.next_id,
                level=request.vip_level,
                name=request.name,
                down_point=request.down_point,
                up_point=request.up_point,
                picture=request.pic_url if request.HasField("pic_url") else None,
            )
            conflict = book.ladder.conflict(rule)
            if conflict:
                return None
            return replace(book, ladder=book.ladder.put(rule), next_id=book.next_id + 1)

        self._rules.change(add)
        return pb.CreateRuleResponse(
            code=SUCCESS, data=conflict.value if conflict else "saveSuccess"
        )

    def DeleteRule(
        self, request: pb.DeleteRuleRequest, _context: grpc.ServicerContext
    ) -> pb.DeleteRuleResponse:
        def remove(book: Book) -> Book:
            if book.ladder.with_id(request.id) is None:
                raise _rule_not_found()
            return replace(book, ladder=book.ladder.without(request.id))

        self._rules.change(remove)
        return pb.DeleteRuleResponse(code=SUCCESS, data="deleteSuccess")

    def UpdateRule(
        self, request: pb.UpdateRuleRequest, _context: grpc.ServicerContext
    ) -> pb.UpdateRuleResponse:
        conflict: Conflict | None = None

        def update(book: Book) -> Book | None:
            nonlocal conflict
            found = _named_rule(book, request)
            rule = Rule(
                id=found.id,
                level=request.vip_level if request.HasField("vip_level") else found.level,
                name=request.name,
                down_point=request.down_point,
                up_point=request.up_point,
                picture=request.pic_url if request.HasField("pic_url") else found.picture,
            )
            conflict = book.ladder.conflict(rule)
            return None if conflict else replace(book, ladder=book.ladder.put(rule))

        self._rules.change(update)
        return pb.UpdateRuleResponse(code=SUCCESS, data=conflict.value if conflict else SUCCESS)

    def ListRules(
        self, _request: pb.ListRulesRequest, _context: grpc.ServicerContext
    ) -> pb.ListRulesResponse:
        rules = self._rules.ladder().rules
        return pb.ListRulesResponse(code=SUCCESS, data=map(_rule_message, rules))

    def LevelDown(
        self, _request: pb.LevelDownRequest, _context: grpc.ServicerContext
    ) -> pb.LevelDownResponse:
        floors = [Floor(rule.level, rule.down_point) for rule in self._rules.ladder().rules]
        self._users.demote(floors, int(self._now()))
        return pb.LevelDownResponse(code=SUCCESS, data=SUCCESS)


def _user_not_found() -> Failure:
    return Failure(NOT_FOUND, REASON_USER_NOT_FOUND, "用户不存在")


def _rule_not_found() -> Failure:
    return Failure(NOT_FOUND, REASON_RULE_NOT_FOUND, "等级规则不存在")


def _named_rule(book: Book, request: pb.UpdateRuleRequest) -> Rule:
    if request.HasField("id"):
        rule = book.ladder.with_id(request.id)
    else:
        rule = book.ladder.rule_of(request.vip_level)
    if rule is None:
        raise _rule_not_found()
    return rule


def _rule_message(rule: Rule) -> pb.Rule:
    return pb.Rule(
        id=rule.id,
        vip_level=rule.level,
        name=rule.name,
        down_point=rule.down_point,
        up_point=rule.up_point,
        pic_url=rule.picture,
    )
