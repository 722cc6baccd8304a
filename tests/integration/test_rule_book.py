"""The rules are one document: writers at the same time lose nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from services.member_level.ladder import Rule
from services.member_level.rule_book import Book, RuleBook
from services.store.store import Store


def add(book: Book, level: int) -> Book:
    rule = Rule(book.next_id, level, f"级别 {level}", level * 10, level * 10 + 10)
    return replace(book, ladder=book.ladder.put(rule), next_id=book.next_id + 1)


def test_an_empty_store_has_no_rules(store: Store) -> None:
    assert RuleBook(store).ladder().rules == ()


def test_a_change_is_seen_at_once_by_another_instance(store: Store) -> None:
    RuleBook(store).change(lambda book: add(book, 1))
    assert [rule.level for rule in RuleBook(store).ladder().rules] == [1]


def test_a_change_that_decides_against_it_leaves_the_rules(store: Store) -> None:
    book = RuleBook(store)
    book.change(lambda found: add(found, 1))
    book.change(lambda _found: None)
    assert len(book.ladder().rules) == 1


def test_no_writer_overwrites_another(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda level: RuleBook(store).change(lambda b: add(b, level)), range(40)))
    rules = RuleBook(store).ladder().rules
    assert sorted(rule.level for rule in rules) == list(range(40))
    assert sorted(rule.id for rule in rules) == list(range(1, 41))
