"""What the RPCs on rules share: proposed rules without conflicts, and the messages of rules."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from levelgate.member.v1 import member_level_pb2 as pb
from services.member_level import failures
from services.member_level.validation import MOST_LEVELS
from services.rules.ladder import Conflict, Ladder, Rule
from services.rules.rule_book import Book


def proposed_ladder(rules: Iterable[Rule]) -> Ladder:
    """The rules of a request; their ids are their positions in it.

    Raises Failure for the first rule that conflicts with an earlier one.
    """
    ladder = Ladder()
    for rule in rules:
        if conflict := ladder.conflict(rule):
            field = "vip_level" if conflict is Conflict.LEVEL else "down_point"
            raise failures.rules_conflict(conflict, f"rules[{rule.id}].{field}")
        ladder = ladder.put(rule)
    return ladder


def require_few_levels(book: Book, level: int) -> None:
    """Raises Failure if no further level may get a rule, and this one never had one."""
    if level not in book.levels and len(book.levels) >= MOST_LEVELS:
        raise failures.levels_full(MOST_LEVELS)


def rule_message(rule: Rule) -> pb.Rule:
    return pb.Rule(
        id=rule.id,
        vip_level=rule.level,
        name=rule.name,
        down_point=rule.down_point,
        up_point=rule.up_point,
        pic_url=rule.picture,
    )


def rule_book_message(book: Book) -> pb.RuleBook:
    return pb.RuleBook(
        version=book.version,
        rules=map(rule_message, book.ladder.rules),
        changed=changed_message(book),
        app=book.app,
    )


def changed_message(book: Book) -> Timestamp | None:
    return None if book.changed is None else Timestamp(seconds=book.changed)
