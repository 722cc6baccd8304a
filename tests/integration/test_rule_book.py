"""The rules are one value, and concurrent writers lose no change."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from services.rules.ladder import Rule
from services.rules.rule_book import Book, RuleBook
from services.store import keys
from services.store.store import Store

pytestmark = pytest.mark.stores("valkey")


def add(book: Book, level: int) -> Book:
    rule = Rule(book.next_id, level, f"级别 {level}", level * 10, level * 10 + 10)
    return replace(book, ladder=book.ladder.put(rule), next_id=book.next_id + 1)


def test_an_empty_store_has_no_rules(store: Store) -> None:
    assert RuleBook(store).book().ladder.rules == ()


def test_a_change_is_immediately_visible_to_another_instance(store: Store) -> None:
    RuleBook(store).change(lambda book: add(book, 1))
    assert [rule.level for rule in RuleBook(store).book().ladder.rules] == [1]


def test_rules_are_only_parsed_again_after_a_change(store: Store) -> None:
    rules, other = RuleBook(store), RuleBook(store)
    other.change(lambda book: add(book, 1))
    first = rules.book()
    assert rules.book() is first
    other.change(lambda book: add(book, 2))
    assert [rule.level for rule in rules.book().ladder.rules] == [1, 2]
    store.delete(keys.RULES)
    assert rules.book().ladder.rules == ()


def test_a_decision_for_no_change_leaves_the_rules(store: Store) -> None:
    book = RuleBook(store)
    book.change(lambda found: add(found, 1))
    book.change(lambda _found: None)
    assert len(book.book().ladder.rules) == 1


def test_no_writer_overwrites_another(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda level: RuleBook(store).change(lambda b: add(b, level)), range(40)))
    rules = RuleBook(store).book().ladder.rules
    assert sorted(rule.level for rule in rules) == list(range(40))
    assert sorted(rule.id for rule in rules) == list(range(1, 41))


def test_every_version_is_retained_with_its_app_and_time(store: Store) -> None:
    rules = RuleBook(store, now=lambda: 77)
    rules.change(lambda book: add(book, 1), "billing")
    rules.change(lambda book: replace(book, ladder=book.ladder.without(1)), "shop")
    first, second = rules.version(1), rules.version(2)
    assert first is not None
    assert [rule.level for rule in first.ladder.rules] == [1]
    assert (first.app, first.changed) == ("billing", 77)
    assert second is not None
    assert (second.ladder.rules, second.app) == (rules.book().ladder.rules, "shop")
    assert rules.version(3) is None
    before = rules.version(0)
    assert before is not None
    assert before.ladder.rules == ()


def test_a_level_whose_rule_was_deleted_is_still_known(store: Store) -> None:
    rules = RuleBook(store)
    rules.change(lambda book: add(book, 1))
    rules.change(lambda book: replace(book, ladder=book.ladder.without(1)))
    assert rules.book().levels == {1}


def test_rules_of_the_first_release_can_be_read(store: Store) -> None:
    rule = {"id": 1, "level": 4, "name": "x", "down_point": 0, "up_point": 9, "picture": None}
    store.set(keys.RULES, json.dumps({"version": 3, "next_id": 2, "rules": [rule]}))
    book = RuleBook(store).book()
    assert (book.version, book.levels, book.changed, book.app) == (3, frozenset({4}), None, "")
    RuleBook(store).change(lambda found: add(found, 5))
    assert RuleBook(store).book().version == 4
