"""Everything about one member, from the record, the rules and the facts."""

import time
from collections.abc import Callable

from google.protobuf.timestamp_pb2 import Timestamp

from levelgate.member.v1 import members_pb2 as pb
from services.member_level.messages import change_message, state_message
from services.member_level.standing import Standing, higher_levels, standing
from services.rules.rule_book import RuleBook
from services.user_facts.fact_store import Facts, FactStore
from services.user_state.history import State, changes_of, is_complete
from services.user_state.record import Source
from services.user_state.state import UserState

# A fact may have 3 KB, and a user 1,000 of them.
_MOST_FACTS = 100


class MemberSummaries:
    """Reads what a summary shows. Raises redis.RedisError if the store is unavailable."""

    def __init__(
        self,
        users: UserState,
        facts: FactStore,
        rules: RuleBook,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._users = users
        self._facts = facts
        self._rules = rules
        self._now = now

    def of(self, user: str) -> pb.MemberSummary | None:
        """None for an unknown user."""
        record = self._users.get(user)
        if record is None:
            return None
        book = self._rules.book()
        rule = book.ladder.rule_of(record.level)
        is_manual = record.source is Source.MANUAL
        changes = changes_of(record)
        return pb.MemberSummary(
            user_id=user,
            version=record.version,
            current=state_message(State(record.level, record.points, record.source)),
            level_name="" if rule is None else rule.name,
            pic_url=None if rule is None else rule.picture,
            protected_until=Timestamp(seconds=record.protected_until) if is_manual else None,
            demotion=_demotable(standing(book.ladder, record, self._now())),
            higher_levels=[
                pb.HigherLevel(level=above.level, name=above.name, points_missing=missing)
                for above, missing in higher_levels(book.ladder, record)
            ],
            changes=map(change_message, changes),
            complete=is_complete(changes),
            facts=_facts_message(self._facts.some_of(user, _MOST_FACTS)),
            rule_version=book.version,
        )


def _demotable(found: Standing) -> pb.Demotable:
    return pb.Demotable(is_due=found.is_due, earned_level=found.earned_level, margin=found.margin)


def _facts_message(facts: Facts) -> pb.MemberFacts:
    return pb.MemberFacts(
        stars=[pb.MemberStar(gid=star.gid, device=star.device) for star in facts.stars],
        game_infos=[
            pb.MemberGameInfo(**key._asdict(), code=fact.code, number=fact.number)
            for key, fact in facts.games
        ],
        total=facts.total,
    )
