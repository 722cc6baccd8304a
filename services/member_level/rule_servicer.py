"""The RPCs on rules, of the MemberLevel service."""

from dataclasses import replace
from functools import partial

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from levelgate.member.v1 import member_level_pb2 as pb
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelServicer
from services.member_level import failures, preview
from services.member_level.messages import SUCCESS, move_message
from services.member_level.validation import MOST_LEVELS, MOST_RULES
from services.rules.ladder import ABOVE_ALL_POINTS, Conflict, Ladder, Rule
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
            _require_few_levels(book, rule.level)
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
            _require_few_levels(book, rule.level)
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
        return pb.ListRulesResponse(code=SUCCESS, data=map(_rule_message, rules))

    def PreviewRules(
        self, request: pb.PreviewRulesRequest, context: grpc.ServicerContext
    ) -> pb.PreviewRulesResponse:
        proposed = _proposed(request)
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
        data = pb.RuleBook(
            version=book.version,
            rules=map(_rule_message, book.ladder.rules),
            changed=None if book.changed is None else Timestamp(seconds=book.changed),
            app=book.app,
        )
        return pb.GetRuleBookResponse(code=SUCCESS, data=data)


def _report(context: grpc.ServicerContext, affected: int) -> None:
    """Reports the count as metadata, because the documented body has no field for it."""
    context.send_initial_metadata(((AFFECTED_MEMBERS, str(affected)),))


def _require_few_levels(book: Book, level: int) -> None:
    if level not in book.levels and len(book.levels) >= MOST_LEVELS:
        raise failures.levels_full(MOST_LEVELS)


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


def _proposed(request: pb.PreviewRulesRequest) -> Ladder:
    """Raises Failure for the first rule that conflicts with an earlier one."""
    ladder = Ladder()
    for position, each in enumerate(request.rules):
        rule = Rule(position, each.vip_level, "", each.down_point, each.up_point)
        if conflict := ladder.conflict(rule):
            field = "vip_level" if conflict is Conflict.LEVEL else "down_point"
            raise failures.rules_conflict(conflict, f"rules[{position}].{field}")
        ladder = ladder.put(rule)
    return ladder


def _rule_message(rule: Rule) -> pb.Rule:
    return pb.Rule(
        id=rule.id,
        vip_level=rule.level,
        name=rule.name,
        down_point=rule.down_point,
        up_point=rule.up_point,
        pic_url=rule.picture,
    )
