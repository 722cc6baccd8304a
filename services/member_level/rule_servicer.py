"""The RPCs on rules, of the MemberLevel service."""

from dataclasses import replace
from functools import partial

import grpc

from levelgate.member.v1 import member_level_pb2 as pb
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelServicer
from services.member_level import failures, preview
from services.member_level.messages import SUCCESS, move_message
from services.member_level.proposals import (
    proposed_ladder,
    require_few_levels,
    rule_book_message,
    rule_message,
)
from services.member_level.validation import MOST_RULES
from services.rules.ladder import ABOVE_ALL_POINTS, Conflict, Rule
from services.rules.rule_book import Book, RuleBook
from services.runtime.call import current_app
from services.runtime.cancellation import require_caller
from services.user_state.bulk import BulkUsers
from services.user_state.indexes import Question, Range

# Initial metadata, which the gateway forwards as a response header.
AFFECTED_MEMBERS = "x-levelgate-affected-members"


class RuleServicer(MemberLevelServicer):
    """The section 等级规则 of docs/api/member-level.md, and the preview of other rules."""

    def __init__(self, rules: RuleBook, bulk: BulkUsers) -> None:
        self._rules = rules
        self._bulk = bulk

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
            if len(book.ladder.rules) >= MOST_RULES:
                raise failures.rules_full(MOST_RULES)
            require_few_levels(book, rule.level)
            return replace(book, ladder=book.ladder.put(rule), next_id=book.next_id + 1)

        self._rules.change(add, current_app())
        return pb.CreateRuleResponse(
            code=SUCCESS, data=conflict.value if conflict else "saveSuccess"
        )

    def DeleteRule(
        self, request: pb.DeleteRuleRequest, context: grpc.ServicerContext
    ) -> pb.DeleteRuleResponse:
        def remove(book: Book) -> Book:
            _with_id(book, request.id)
            return replace(book, ladder=book.ladder.without(request.id))

        # Counted first, so that a call whose deadline passes during the count deletes nothing.
        affected = self._holding(_with_id(self._rules.book(), request.id).level, context)
        self._rules.change(remove, current_app())
        _report(context, affected)
        return pb.DeleteRuleResponse(code=SUCCESS, data="deleteSuccess")

    def UpdateRule(
        self, request: pb.UpdateRuleRequest, context: grpc.ServicerContext
    ) -> pb.UpdateRuleResponse:
        affected: int | None = None
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
            if conflict:
                return None
            require_few_levels(book, rule.level)
            return replace(book, ladder=book.ladder.put(rule))

        level = _named_rule(self._rules.book(), request).level
        if request.HasField("vip_level") and request.vip_level != level:
            affected = self._holding(level, context)
        self._rules.change(update, current_app())
        if affected is not None and conflict is None:
            _report(context, affected)
        return pb.UpdateRuleResponse(code=SUCCESS, data=conflict.value if conflict else SUCCESS)

    def _holding(self, level: int, context: grpc.ServicerContext) -> int:
        """How many members have a level, earned or manual."""
        ranges = [Range(manual, level, 0, 1) for manual in (False, True)]
        question = Question([0, ABOVE_ALL_POINTS], ranges)
        found = self._bulk.indexes.count(question, partial(require_caller, context))
        return sum(users for each in found for _, users in each.stretches)

    def ListRules(
        self, _request: pb.ListRulesRequest, _context: grpc.ServicerContext
    ) -> pb.ListRulesResponse:
        rules = self._rules.book().ladder.rules
        return pb.ListRulesResponse(code=SUCCESS, data=map(rule_message, rules))

    def PreviewRules(
        self, request: pb.PreviewRulesRequest, context: grpc.ServicerContext
    ) -> pb.PreviewRulesResponse:
        proposed = proposed_ladder(
            Rule(position, each.vip_level, "", each.down_point, each.up_point)
            for position, each in enumerate(request.rules)
        )
        book = self._rules.book()
        asked = preview.preview_rules(proposed, book.levels)
        found = self._bulk.indexes.count(asked.question, partial(require_caller, context))
        counts = asked.counts(found)
        data = pb.RulesPreview(
            moves=map(move_message, asked.moves(counts)),
            staying=asked.staying(counts),
            rule_version=book.version,
        )
        return pb.PreviewRulesResponse(code=SUCCESS, data=data)

    def GetRuleBook(
        self, request: pb.GetRuleBookRequest, _context: grpc.ServicerContext
    ) -> pb.GetRuleBookResponse:
        has_version = request.HasField("version")
        book = self._rules.version(request.version) if has_version else self._rules.book()
        if book is None:
            raise failures.rule_version_not_found()
        return pb.GetRuleBookResponse(code=SUCCESS, data=rule_book_message(book))


def _report(context: grpc.ServicerContext, affected: int) -> None:
    """Reports the count as metadata, because the documented body has no field for it."""
    context.send_initial_metadata(((AFFECTED_MEMBERS, str(affected)),))


def _with_id(book: Book, rule_id: int) -> Rule:
    rule = book.ladder.with_id(rule_id)
    if rule is None:
        raise failures.rule_not_found("id")
    return rule


def _named_rule(book: Book, request: pb.UpdateRuleRequest) -> Rule:
    if request.HasField("id"):
        return _with_id(book, request.id)
    rule = book.ladder.rule_of(request.vip_level)
    if rule is None:
        raise failures.rule_not_found("vip_level")
    return rule
