"""Rules that are replaced as a whole: of concurrent writers one wins, and versions are listed."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import grpc
import pytest

from levelgate.member.v1 import member_level_pb2, rule_books_pb2
from levelgate.member.v1.rule_books_pb2_grpc import RuleBooksStub
from services.member_level.rule_books_servicer import RuleBooks
from services.member_level.validation import MOST_LEVELS
from services.rules import rule_book
from services.rules.ladder import Ladder, Rule
from services.rules.rule_book import Book, RuleBook
from services.runtime.errors import Failure
from services.store import keys
from services.store.store import Store
from tests.support.following import Context
from tests.support.member_calls import failure
from tests.support.service import Service

pytestmark = pytest.mark.stores("valkey")

New = rule_books_pb2.NewRule


def new(level: int, down: int, up: int, name: str = "x") -> New:
    return New(vip_level=level, name=name, down_point=down, up_point=up)


def replaced(service: RuleBooks, expected: int, *rules: New) -> member_level_pb2.RuleBook:
    request = rule_books_pb2.ReplaceRulesRequest(rules=rules, expected_version=expected)
    return service.ReplaceRules(request, cast(grpc.ServicerContext, Context())).data


def listed(service: RuleBooks, **options: int) -> rule_books_pb2.RuleVersions:
    request = rule_books_pb2.ListRuleVersionsRequest(**options)
    return service.ListRuleVersions(request, cast(grpc.ServicerContext, Context())).data


def refused(call: Callable[[], object]) -> Failure:
    with pytest.raises(Failure) as raised:
        call()
    return raised.value


def test_of_writers_who_expect_the_same_version_one_wins(store: Store) -> None:
    def write(number: int) -> int | None:
        # A book of its own for each, as in different instances.
        rules = RuleBooks(RuleBook(store))
        try:
            return replaced(rules, 0, new(1, 0, 10, f"writer {number}")).version
        except Failure as failed:
            return None if failed.metadata == {"version": "1"} else -1

    with ThreadPoolExecutor(8) as threads:
        versions = list(threads.map(write, range(24)))
    assert [version for version in versions if version is not None] == [1]
    book = RuleBook(store).book()
    assert (book.version, len(book.ladder.rules)) == (1, 1)
    assert book.ladder.rules[0].name == f"writer {versions.index(1)}"
    assert RuleBook(store).version(2) is None


def test_a_replacement_and_other_changes_lose_nothing(store: Store) -> None:
    rules = RuleBook(store)
    replaced(RuleBooks(rules), 0, new(1, 0, 10))
    rules.change(lambda book: replace(book, ladder=Ladder()), "other")
    failed = refused(lambda: replaced(RuleBooks(rules), 1, new(1, 0, 11)))
    assert failed.metadata == {"version": "2"}
    assert rules.book().app == "other"


def test_ids_are_not_used_again(store: Store) -> None:
    service = RuleBooks(RuleBook(store))
    replaced(service, 0, new(1, 0, 10), new(2, 10, 20))
    replaced(service, 1, new(2, 0, 20))
    last = replaced(service, 2, new(1, 0, 10), new(2, 10, 20))
    assert [(rule.vip_level, rule.id) for rule in last.rules] == [(1, 3), (2, 2)]


def test_a_rule_for_one_level_too_many_is_named(store: Store) -> None:
    rules = RuleBook(store)
    all_but_one = Ladder(Rule(n, n, "x", n, n + 1) for n in range(MOST_LEVELS - 1))
    rules.change(lambda book: replace(book, ladder=all_but_one))
    service, before = RuleBooks(rules), rules.book().version
    failed = refused(
        lambda: replaced(service, before, new(900, 9, 10), new(3, 0, 5), new(800, 5, 9))
    )
    assert [each.json_field for each in failed.violations] == ["rules[0].vipLevel"]
    assert rules.book().version == before
    assert replaced(service, before, new(3, 0, 5), new(800, 5, 9)).version == before + 1


def test_a_level_that_an_earlier_release_stored_without_is_restored(store: Store) -> None:
    rule = {"id": 1, "level": 4, "name": "x", "down_point": 0, "up_point": 9, "picture": None}
    store.set(keys.RULES, json.dumps({"version": 3, "next_id": 2, "rules": [rule]}))
    service = RuleBooks(RuleBook(store))
    # The release did not retain its versions.
    (only,) = listed(service).versions
    assert (only.version, only.HasField("changed"), only.app, only.rules) == (3, False, "", 1)
    replaced(service, 3, new(1, 0, 5))
    page = listed(service)
    assert ([each.version for each in page.versions], page.has_more) == ([4], False)


@pytest.mark.stores
def test_versions_that_are_no_longer_retained_end_the_list(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_book, "VERSIONS_KEPT", 3)
    rules = RuleBook(store, now=lambda: 77)
    for number in range(5):
        rules.change(lambda book, n=number: replace(book, ladder=Ladder([Rule(n, n, "", 0, 1)])))  # type: ignore[misc]
    service = RuleBooks(rules)
    page = listed(service, page_size=2)
    assert ([each.version for each in page.versions], page.has_more) == ([5, 4], True)
    assert page.versions[0].changed.seconds == 77
    page = listed(service, page_size=2, before=4)
    assert ([each.version for each in page.versions], page.has_more) == ([3], False)
    assert list(listed(service, before=3).versions) == []


def test_a_list_ends_when_its_caller_leaves_and_holds_one_version_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, context = RuleBook(store), Context()
    for number in range(9):
        rules.change(lambda book, n=number: replace(book, next_id=n + 1))  # type: ignore[misc]
    reads: list[int] = []
    version = rules.version

    def read(number: int) -> Book | None:
        reads.append(number)
        if number == 6:
            context.leave()
        return version(number)

    monkeypatch.setattr(rules, "version", read)
    request = rule_books_pb2.ListRuleVersionsRequest()
    service = RuleBooks(rules)
    failed = refused(lambda: service.ListRuleVersions(request, cast(grpc.ServicerContext, context)))
    assert failed.code is grpc.StatusCode.CANCELLED
    assert reads == [8, 7, 6]


def test_a_service_reports_the_version_of_the_rules(member: Service) -> None:
    stub = RuleBooksStub(member.channel)
    request = rule_books_pb2.ReplaceRulesRequest(rules=[new(1, 0, 10)], expected_version=7)
    wanted = ("ABORTED", "RULE_VERSION_MISMATCH", "expected_version")
    call = lambda: stub.ReplaceRules(request, timeout=5, metadata=member.metadata)  # noqa: E731
    assert failure(call) == wanted
