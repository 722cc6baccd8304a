"""Counts and pages of the indexes agree with the records of the members."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from levelgate.member.v1.demotion_pb2 import AtRiskMember
from services.member_level.demotion.at_risk import AtRiskPages
from services.rules.ladder import Ladder, Rule
from services.rules.rule_book import Book
from services.store.keys import Bucket, Buckets
from services.store.store import Store
from services.user_state.bulk import BulkUsers
from services.user_state.indexes import Question, Range, Span
from services.user_state.record import Source
from services.user_state.rows import Row
from services.user_state.state import UserState
from tests.support.levels import BUCKETS, NOW, THRESHOLDS, go_on, same_bucket, started
from tests.support.store_server import empty

BUCKET = BUCKETS.of("u")
NAMES = same_bucket(400)
LEVELS = (0, 1, 3)


class CallerLeftError(Exception):
    pass


def member(name: str, points: int, level: int, *, manual: bool = False) -> Row:
    if manual:
        return Row(name, points, level, Source.MANUAL, NOW + 9, "p")
    return Row(name, points, level)


def naive(rows: Sequence[Row], bounds: Sequence[int], ranges: Sequence[Range]) -> list[int]:
    """Counts the users in each stretch one by one."""
    return [
        sum(
            (row.source is Source.MANUAL, row.level) == (manual, level)
            and bounds[at] <= row.points < bounds[at + 1]
            for row in rows
        )
        for manual, level, first, last in ranges
        for at in range(first, last)
    ]


def counted(bulk: BulkUsers, question: Question, buckets: Sequence[Bucket]) -> list[int]:
    counts = [0] * question.first_stretches[-1]
    for each in bulk.indexes.count(question, go_on, buckets):
        for stretch, users in each.stretches:
            assert users > 0
            counts[stretch] += users
    return counts


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[int], list[Range]]:
    bounds = sorted(draw(st.sets(st.integers(0, 40), min_size=2, max_size=12)))
    slices = st.tuples(st.integers(0, len(bounds) - 1), st.integers(0, len(bounds) - 1))
    asked = draw(
        st.lists(st.tuples(st.booleans(), st.sampled_from((*LEVELS, 7)), slices), max_size=6)
    )
    return bounds, [Range(manual, level, min(cut), max(cut)) for manual, level, cut in asked]


members = st.lists(
    st.tuples(st.integers(0, 45), st.sampled_from(LEVELS), st.booleans()), max_size=60
)


# Few users in many stretches are counted by their points, many users in few by the bounds.
@example(asked=([0, 9, 30], [Range(False, 1, 0, 2)]), users=[(n % 40, 1, False) for n in range(50)])
@example(asked=(list(range(0, 46, 5)), [Range(True, 3, 1, 9)]), users=[(44, 3, True), (7, 3, True)])
@settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(asked=questions(), users=members)
def test_a_count_equals_a_count_of_each_user(
    bulk: BulkUsers,
    store: Store,
    asked: tuple[list[int], list[Range]],
    users: list[tuple[int, ...]],
) -> None:
    empty(store)
    rows = [
        member(name, points, level, manual=bool(manual))
        for name, (points, level, manual) in zip(NAMES, users, strict=False)
    ]
    # The same users again in another bucket.
    others = [row._replace(user=f"{row.user}-other") for row in rows]
    bulk.write([*rows, *others], THRESHOLDS)
    bounds, ranges = asked
    buckets = list({BUCKETS.of(row.user) for row in (*rows, *others)})
    assert counted(bulk, Question(bounds, ranges), buckets) == naive(
        [*rows, *others], bounds, ranges
    )


def test_a_count_of_many_steps_is_split_into_several_calls(bulk: BulkUsers) -> None:
    rows = [member(name, number * 7 % 500, LEVELS[number % 3]) for number, name in enumerate(NAMES)]
    bulk.write(rows, THRESHOLDS)
    # More stretches than one range of the script may have, and more ranges than one call counts.
    bounds = list(range(501))
    ranges = [Range(False, level, 0, 1) for level in range(10, 400)]
    ranges += [Range(manual, level, 0, 500) for level in LEVELS for manual in (False, True)]
    calls: list[None] = []
    question = Question(bounds, ranges)
    found = list(bulk.indexes.count(question, lambda: calls.append(None), [BUCKET]))
    counts = [0] * question.first_stretches[-1]
    for stretch, users in found[0].stretches:
        counts[stretch] += users
    assert counts == naive(rows, bounds, ranges)
    assert len(calls) > 2


@pytest.mark.stores("valkey")
def test_a_count_ends_when_its_caller_has_left(bulk: BulkUsers) -> None:
    calls: list[None] = []

    def proceed() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise CallerLeftError

    with pytest.raises(CallerLeftError):
        list(bulk.indexes.count(Question([0, 9], [Range(False, 0, 0, 1)]), proceed))
    assert len(calls) == 3


def test_due_users_are_those_past_their_protection_and_those_below_the_threshold(
    bulk: BulkUsers,
) -> None:
    rows = [
        member(NAMES[0], 499, 1),
        member(NAMES[1], 500, 1),
        Row(NAMES[2], 5000, 1, Source.MANUAL, NOW, "p"),
        member("elsewhere", 10, 3),
        member("elsewhere-manual", 10, 3, manual=True),
    ]
    bulk.write(rows, THRESHOLDS)
    spans = [Span(False, 1, 0, 500), Span(False, 3, 0, 1200)]
    buckets = [BUCKET, BUCKETS.of("elsewhere"), BUCKETS.of("elsewhere-manual")]
    places = [(bucket, spans) for bucket in buckets]
    found = bulk.indexes.due(places, 9)
    assert {user: record.points for user, record in found} == {
        NAMES[0]: 499,
        NAMES[2]: 5000,
        "elsewhere": 10,
    }
    assert len(bulk.indexes.due(places, 2)) == 2


def test_a_page_of_several_spans_does_not_exceed_its_limit(bulk: BulkUsers) -> None:
    bulk.write(
        [member(name, 10, LEVELS[number % 3]) for number, name in enumerate(NAMES)], THRESHOLDS
    )
    place = (BUCKET, [Span(False, level, 0, 99) for level in LEVELS], "")
    (page,) = bulk.indexes.pages([place], 200)
    assert len(page) == 200
    assert {entry.span for entry in page} == {0, 1}


def test_ended_protections_are_counted_and_listed(users: UserState, bulk: BulkUsers) -> None:
    for user, until in (("u", NOW), ("v", NOW + 1)):
        started(users, user)
        users.set_manually(user, 3, "p", until)
    counted = bulk.indexes.count(Question((), ()), go_on)
    assert {each.bucket: each.protection_ended for each in counted if each.protection_ended} == {
        BUCKET: 1
    }
    places: list[tuple[Bucket, list[Span]]] = [(BUCKET, []), (BUCKETS.of("v"), [])]
    assert [user for user, _ in bulk.indexes.due(places, 9)] == ["u"]


def test_a_page_continues_after_the_last_user_whatever_changes_meanwhile(
    users: UserState, bulk: BulkUsers
) -> None:
    names = same_bucket(12)
    for position, user in enumerate(names):
        started(users, user, 500 + position // 4)
    order = sorted(names, key=lambda name: (500 + names.index(name) // 4, name.encode()))
    span = Span(False, 1, 500, 600)
    (first,) = bulk.indexes.pages([(BUCKET, [span], "")], 5)
    assert [entry.user for entry in first] == order[:5]
    # Users before the position are deleted; no user after it is missed.
    users.delete(order[0])
    users.delete(order[4])
    last = first[-1]
    (rest,) = bulk.indexes.pages([(BUCKET, [span._replace(least=last.points)], last.user)], 100)
    assert [entry.user for entry in rest] == order[5:]
    assert bulk.indexes.pages([(BUCKET, [Span(False, 1, 501, 502)], "")], 100) == [
        [(0, user, 501) for user in order[5:] if 500 + names.index(user) // 4 == 501]
    ]


LADDER = Ladder([Rule(1, 0, "", 0, 10), Rule(2, 1, "", 10, 20), Rule(3, 3, "", 20, 30)])


def book(ladder: Ladder) -> Book:
    """A book in which the rule of level 2 was deleted."""
    return Book(ladder, levels=frozenset({0, 1, 2, 3}))


BOOK = book(LADDER)


def at_risk(bulk: BulkUsers, of: Book, points: int, size: int) -> list[AtRiskMember]:
    """The members of all pages, each of which is full except the last one."""
    got: list[AtRiskMember] = []
    cursor = ""
    while True:
        page = AtRiskPages(bulk).page(of, points, size, cursor, go_on)
        got += page.members
        cursor = page.next_cursor
        if not cursor:
            return got
        assert len(page.members) == size


@pytest.mark.stores("valkey", "cluster")
@pytest.mark.parametrize("size", [1, 3, 50, 1_000])
def test_pages_of_members_at_risk_have_each_member_once_and_in_order(
    bulk: BulkUsers, size: int
) -> None:
    rows = [member(name, 8 + number % 20, number % 4) for number, name in enumerate(NAMES)]
    rows += [member(f"m{number}", number % 40, number % 4) for number in range(80)]
    rows.append(member("hand", 10, 1, manual=True))
    bulk.write(rows, THRESHOLDS)
    # Level 2 has no rule: the points of level 3 keep it, and fewer points lose it.
    floors, least = {1: 10, 2: 20, 3: 20}, {1: 0, 2: -20, 3: 0}
    wanted = sorted(
        (BUCKETS.number_of(row.user), row.level, row.points, row.user)
        for row in rows[:-1]
        if row.level in floors and least[row.level] <= row.points - floors[row.level] < 5
    )
    got = at_risk(bulk, BOOK, 5, size)
    assert [
        (BUCKETS.number_of(each.user_id), each.level, each.points, each.user_id) for each in got
    ] == wanted
    assert all(each.margin == max(-1, each.points - floors[each.level]) for each in got)


@pytest.mark.stores("valkey")
@pytest.mark.parametrize("size", [99, 1_000])
def test_pages_include_all_levels_without_a_rule(store: Store, size: int) -> None:
    bulk = BulkUsers(store, Buckets(1))
    levels = range(10, 260)
    rows = [member(name, 25, level) for name, level in zip(NAMES, levels, strict=False)]
    bulk.write(rows, THRESHOLDS)
    many = Book(LADDER, levels=frozenset({0, 1, 3, *levels}))
    assert [each.level for each in at_risk(bulk, many, 1, size)] == list(levels)


@pytest.mark.stores("valkey")
def test_a_page_continues_in_the_next_level_if_the_last_member_has_moved(bulk: BulkUsers) -> None:
    # The position in one level does not apply to the next level.
    earlier, later = sorted(NAMES[:2])
    bulk.write([member(later, 10, 1), member(earlier, 20, 3)], THRESHOLDS)
    page = AtRiskPages(bulk).page(BOOK, 5, 1, "", go_on)
    assert [each.user_id for each in page.members] == [later]
    bulk.write([member(later, 100, 0)], THRESHOLDS)
    rest = AtRiskPages(bulk).page(BOOK, 5, 1, page.next_cursor, go_on)
    assert [each.user_id for each in rest.members] == [earlier]


@pytest.mark.stores("valkey")
def test_a_small_page_reads_few_of_many_members(
    bulk: BulkUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk.write([member(f"m{number}", 12, 1) for number in range(2_000)], THRESHOLDS)
    asked: list[int] = []
    pages = bulk.indexes.pages

    def noted(places: Sequence[Any], limit: int) -> Any:
        asked.append(len(places))
        return pages(places, limit)

    monkeypatch.setattr(bulk.indexes, "pages", noted)
    page = AtRiskPages(bulk).page(BOOK, 5, 1, "", go_on)
    assert len(page.members) == 1
    assert asked == [1]


@pytest.mark.stores("valkey")
def test_a_page_continues_after_the_rules_have_changed(bulk: BulkUsers) -> None:
    rows = [member(name, points, 1) for name, points in zip(NAMES, (10, 22, 23, 24), strict=False)]
    rows.append(member(NAMES[5], 20, 3))
    bulk.write(rows, THRESHOLDS)
    cursor = AtRiskPages(bulk).page(BOOK, 20, 2, "", go_on).next_cursor

    def rest(ladder: Ladder) -> list[tuple[int, int]]:
        page = AtRiskPages(bulk).page(book(ladder), 20, 9, cursor, go_on)
        return [(each.level, each.points) for each in page.members]

    assert rest(LADDER) == [(1, 23), (1, 24), (3, 20)]
    higher = Ladder([Rule(1, 0, "", 0, 10), Rule(2, 1, "", 24, 30), Rule(3, 3, "", 30, 40)])
    assert rest(higher) == [(1, 24)]
    # No points keep level 1 without its rule; the page before contained all members up to 22.
    assert rest(LADDER.without(2)) == [(1, 23), (1, 24), (3, 20)]
    assert rest(Ladder([Rule(2, 1, "", 0, 30), Rule(3, 3, "", 20, 40)])) == [(3, 20)]
