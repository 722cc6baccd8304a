"""The RPCs that find members and show everything about one."""

from functools import partial

import grpc

from levelgate.member.v1 import members_pb2 as pb
from levelgate.member.v1.members_pb2_grpc import MembersServicer
from services.member_level import failures, level_counts
from services.member_level.level_pages import LevelPages
from services.member_level.member_search import Asked, MemberSearch
from services.member_level.member_summary import MemberSummaries
from services.member_level.messages import SUCCESS
from services.rules.rule_book import RuleBook
from services.runtime.cancellation import require_caller
from services.user_state.indexes import Indexes

_DEFAULT_LIST_SIZE = 100
_DEFAULT_SEARCH_SIZE = 20
# A search ends after this time, and after half of the time that the caller waits.
_SEARCH_SECONDS = 1.0


class Members(MembersServicer):
    """Implements levelgate.member.v1.Members."""

    def __init__(
        self,
        rules: RuleBook,
        indexes: Indexes,
        pages: LevelPages,
        search: MemberSearch,
        summaries: MemberSummaries,
    ) -> None:
        self._rules = rules
        self._indexes = indexes
        self._pages = pages
        self._search = search
        self._summaries = summaries

    def CountMembers(
        self, _request: pb.CountMembersRequest, context: grpc.ServicerContext
    ) -> pb.CountMembersResponse:
        book = self._rules.book()
        levels = sorted(book.levels)
        found = self._indexes.count(level_counts.question(levels), partial(require_caller, context))
        counts = level_counts.counts(levels, found)
        has_rule = {rule.level for rule in book.ladder.rules}
        data = pb.MemberCounts(
            levels=[
                pb.LevelCount(level=each.level, members=each.members, by_hand=each.manual)
                for each in counts
                if each.members or each.level in has_rule
            ],
            members=sum(each.members for each in counts),
            rule_version=book.version,
        )
        return pb.CountMembersResponse(code=SUCCESS, data=data)

    def ListMembers(
        self, request: pb.ListMembersRequest, context: grpc.ServicerContext
    ) -> pb.ListMembersResponse:
        size = request.page_size if request.HasField("page_size") else _DEFAULT_LIST_SIZE
        proceed = partial(require_caller, context)
        level = request.level
        page = self._pages.page(level, request.min_points, size, request.cursor, proceed)
        members = [
            pb.ListedMember(user_id=user, level=level, points=points, by_hand=manual)
            for points, user, manual in page.members
        ]
        data = pb.MemberPage(members=members, next_cursor=page.next_cursor)
        return pb.ListMembersResponse(code=SUCCESS, data=data)

    def SearchMembers(
        self, request: pb.SearchMembersRequest, context: grpc.ServicerContext
    ) -> pb.SearchMembersResponse:
        size = request.page_size if request.HasField("page_size") else _DEFAULT_SEARCH_SIZE
        remaining: float | None = context.time_remaining()  # the stub omits None, for no deadline
        seconds = _SEARCH_SECONDS if remaining is None else min(_SEARCH_SECONDS, remaining / 2)
        levels, proceed = self._rules.book().levels, partial(require_caller, context)
        asked = Asked(request.prefix, levels, size, seconds, proceed)
        page = self._search.page(asked, request.cursor)
        members = [
            pb.ListedMember(user_id=user, level=level, points=points, by_hand=manual)
            for level, manual, points, user in page.members
        ]
        data = pb.SearchPage(members=members, next_cursor=page.next_cursor, percent=page.percent)
        return pb.SearchMembersResponse(code=SUCCESS, data=data)

    def GetMember(
        self, request: pb.GetMemberRequest, _context: grpc.ServicerContext
    ) -> pb.GetMemberResponse:
        data = self._summaries.of(request.user_id)
        if data is None:
            raise failures.user_not_found()
        return pb.GetMemberResponse(code=SUCCESS, data=data)
