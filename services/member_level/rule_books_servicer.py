"""The RPCs of the RuleBooks service: all rules in one step, and their earlier versions."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import grpc

from levelgate.member.v1 import rule_books_pb2 as pb
from levelgate.member.v1.rule_books_pb2_grpc import RuleBooksServicer
from services.member_level import failures
from services.member_level.messages import SUCCESS
from services.member_level.proposals import (
    changed_message,
    proposed_ladder,
    rule_book_message,
)
from services.member_level.validation import MOST_LEVELS, MOST_RULES
from services.rules.ladder import Ladder, Rule
from services.rules.replacement import with_ids, with_pictures
from services.rules.rule_book import Book, RuleBook
from services.runtime.call import current_app
from services.runtime.cancellation import require_caller

_DEFAULT_PAGE_SIZE = 20


class RuleBooks(RuleBooksServicer):
    """Implements levelgate.member.v1.RuleBooks."""

    def __init__(self, rules: RuleBook) -> None:
        self._rules = rules

    def ReplaceRules(
        self, request: pb.ReplaceRulesRequest, _context: grpc.ServicerContext
    ) -> pb.ReplaceRulesResponse:
        proposed = proposed_ladder(
            _rule(position, each) for position, each in enumerate(request.rules)
        )

        def decide(book: Book) -> Book | None:
            wanted = with_pictures(proposed, book.ladder)
            new = _changed(book, wanted, request.expected_version)
            if new is not None and (level := _level_too_many(new)) is not None:
                position = [each.vip_level for each in request.rules].index(level)
                raise failures.levels_full(MOST_LEVELS, f"rules[{position}].vip_level")
            return new

        book = self._rules.change(decide, current_app())
        return pb.ReplaceRulesResponse(code=SUCCESS, data=rule_book_message(book))

    def ListRuleVersions(
        self, request: pb.ListRuleVersionsRequest, context: grpc.ServicerContext
    ) -> pb.ListRuleVersionsResponse:
        size = request.page_size if request.HasField("page_size") else _DEFAULT_PAGE_SIZE
        current = self._rules.book()
        newest = current.version
        if request.HasField("before"):
            newest = min(newest, request.before - 1)
        data = pb.RuleVersions(current=current.version)
        for book in self._versions(current, newest, size, partial(require_caller, context)):
            data.versions.add(
                version=book.version,
                changed=changed_message(book),
                app=book.app,
                rules=len(book.ladder.rules),
            )
        if data.versions:
            data.has_more = self._rules.is_retained(data.versions[-1].version - 1)
        return pb.ListRuleVersionsResponse(code=SUCCESS, data=data)

    def _versions(
        self, current: Book, newest: int, size: int, proceed: Callable[[], None]
    ) -> Iterator[Book]:
        """Reads the versions one after the other, because each may have 600 KB."""
        # No version is retained below one that is not: they are deleted in the order of their age,
        # and the first release, which retained none, was followed by releases that retain all.
        for number in range(newest, max(0, newest - size), -1):
            proceed()
            book = current if number == current.version else self._rules.version(number)
            if book is None:
                return
            yield book

    def RestoreRules(
        self, request: pb.RestoreRulesRequest, _context: grpc.ServicerContext
    ) -> pb.RestoreRulesResponse:
        earlier = self._rules.version(request.version)
        if earlier is None:
            raise failures.rule_version_not_found()
        # Releases before the limits may have stored more rules.
        if len(earlier.ladder.rules) > MOST_RULES:
            raise failures.rules_full(MOST_RULES)

        def decide(book: Book) -> Book | None:
            new = _changed(book, earlier.ladder, request.expected_version)
            if new is not None and _level_too_many(new) is not None:
                raise failures.levels_full(MOST_LEVELS, "version")
            return new

        book = self._rules.change(decide, current_app())
        return pb.RestoreRulesResponse(code=SUCCESS, data=rule_book_message(book))


def _rule(position: int, new: pb.NewRule) -> Rule:
    return Rule(
        id=position,
        level=new.vip_level,
        name=new.name,
        down_point=new.down_point,
        up_point=new.up_point,
        picture=new.pic_url if new.HasField("pic_url") else None,
    )


def _changed(book: Book, wanted: Ladder, expected_version: int) -> Book | None:
    """The book with the wanted rules; None if it has them already. Raises Failure if the book has
    another version than the caller expects.
    """
    ladder, next_id = with_ids(wanted, book.ladder, book.next_id)
    if ladder.rules == book.ladder.rules:
        # The caller may be repeating a call whose answer was lost.
        return None
    if book.version != expected_version:
        raise failures.rule_version_mismatch(book.version)
    return replace(book, ladder=ladder, next_id=next_id)


def _level_too_many(book: Book) -> int | None:
    """The first level that may not get a rule because too many other levels have had one."""
    new = [rule.level for rule in book.ladder.rules if rule.level not in book.levels]
    allowed = max(0, MOST_LEVELS - len(book.levels))
    return new[allowed] if len(new) > allowed else None
