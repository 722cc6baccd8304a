"""Counts and pages on the indexes, against what a look at each member says."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from levelgate.member.v1.demotion_pb2 import AtRiskMember
from services.member_level.demotion.at_risk import AtRiskPages
from services.rules.ladder import Ladder, Rule
from services.rules.rule_book import Book
from services.store.keys import Bucket
from services.store.store import Store
from services.user_state.bulk import Crowd
from services.user_state.indexes import Question, Range, Span
from services.user_state.record import Source
from services.user_state.rows import Row
from tests.support.levels import BUCKETS, NOW, STEPS, same_bucket

BUCKET = BUCKETS.of("u")
NAMES = same_bucket(400)
LEVELS = (0, 1, 3)


class CallerLeftError(Exception):
    pass


def go_on() -> None:
    """The caller is still there."""


@pytest.fixture
def crowd(store: Store) -> Crowd:
    return Crowd(store, BUCKETS, now=lambda: NOW)


def member(name: str, points: int, level: int, *, by_hand: bool = False) -> Row:
    if by_hand:
        return Row(name, points, level, Source.MANUAL, NOW + 9, "p")
    return Row(name, points, level)


def naive(rows: Sequence[Row], bounds: Sequence[int], ranges: Sequence[Range]) -> list[int]:
    """The users in each stretch, by a look at each user for each stretch."""
    return [
        sum(
            (row.source is Source.MANUAL, row.level) == (by_hand, level)
            and bounds[at] <= row.points < bounds[at + 1]
            for row in rows
        )
        for by_hand, level, first, last in ranges
        for at in range(first, last)
    ]


def counted(crowd: Crowd, question: Question, buckets: Sequence[Bucket]) -> list[int]:
    counts = [0] * question.first_stretches[-1]
    for each in crowd.indexes.count(question, go_on, buckets):
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
    return bounds, [Range(by_hand, level, min(cut), max(cut)) for by_hand, level, cut in asked]


members = st.lists(
    st.tuples(st.integers(0, 45), st.sampled_from(LEVELS), st.booleans()), max_size=60
)


# Few users in many stretches are counted by their points, many users in few by the bounds.
@example(asked=([0, 9, 30], [Range(False, 1, 0, 2)]), users=[(n % 40, 1, False) for n in range(50)])
@example(asked=(list(range(0, 46, 5)), [Range(True, 3, 1, 9)]), users=[(44, 3, True), (7, 3, True)])
@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(asked=questions(), users=members)
def test_a_count_is_what_a_look_at_each_user_says(
    crowd: Crowd, store: Store, asked: tuple[list[int], list[Range]], users: list[tuple[int, ...]]
) -> None:
    for key in store.scan_iter():
        store.delete(key.decode())
    rows = [
        member(name, points, level, by_hand=bool(by_hand))
        for name, (points, level, by_hand) in zip(NAMES, users, strict=False)
    ]
    # The same users again in another bucket.
    others = [row._replace(user=f"{row.user}-other") for row in rows]
    crowd.write([*rows, *others], STEPS)
    bounds, ranges = asked
    buckets = list({BUCKETS.of(row.user) for row in (*rows, *others)})
    assert counted(crowd, Question(bounds, ranges), buckets) == naive(
        [*rows, *others], bounds, ranges
    )


def test_a_count_that_takes_many_steps_is_shared_out_over_several_calls(crowd: Crowd) -> None:
    rows = [member(name, number * 7 % 500, LEVELS[number % 3]) for number, name in enumerate(NAMES)]
    crowd.write(rows, STEPS)
    # More stretches than one range of the script may have, and more ranges than one call counts.
    bounds = list(range(501))
    ranges = [Range(False, level, 0, 1) for level in range(10, 400)]
    ranges += [Range(by_hand, level, 0, 500) for level in LEVELS for by_hand in (False, True)]
    calls: list[None] = []
    question = Question(bounds, ranges)
    found = list(crowd.indexes.count(question, lambda: calls.append(None), [BUCKET]))
    counts = [0] * question.first_stretches[-1]
    for stretch, users in found[0].stretches:
        counts[stretch] += users
    assert counts == naive(rows, bounds, ranges)
    assert len(calls) > 2


def test_a_count_ends_when_nobody_waits_for_it(crowd: Crowd) -> None:
    calls: list[None] = []

    def proceed() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise CallerLeftError

    with pytest.raises(CallerLeftError):
        list(crowd.indexes.count(Question([0, 9], [Range(False, 0, 0, 1)]), proceed))
    assert len(calls) == 3


def test_due_users_of_several_buckets_are_those_past_protection_and_those_below_the_floor(
    crowd: Crowd,
) -> None:
    rows = [
        member(NAMES[0], 499, 1),
        member(NAMES[1], 500, 1),
        Row(NAMES[2], 5000, 1, Source.MANUAL, NOW, "p"),
        member("elsewhere", 10, 3),
        member("elsewhere-by-hand", 10, 3, by_hand=True),
    ]
    crowd.write(rows, STEPS)
    spans = [Span(False, 1, 0, 500), Span(False, 3, 0, 1200)]
    buckets = [BUCKET, BUCKETS.of("elsewhere"), BUCKETS.of("elsewhere-by-hand")]
    places = [(bucket, spans) for bucket in buckets]
    found = crowd.indexes.due(places, 9)
    assert {user: record.points for user, record in found} == {
        NAMES[0]: 499,
        NAMES[2]: 5000,
        "elsewhere": 10,
    }
    assert len(crowd.indexes.due(places, 2)) == 2


def test_a_page_of_several_spans_has_no_more_than_its_limit(crowd: Crowd) -> None:
    crowd.write([member(name, 10, LEVELS[number % 3]) for number, name in enumerate(NAMES)], STEPS)
    place = (BUCKET, [Span(False, level, 0, 99) for level in LEVELS], "")
    (page,) = crowd.indexes.pages([place], 200)
    assert len(page) == 200
    assert {entry.span for entry in page} == {0, 1}


LADDER = Ladder([Rule(1, 0, "", 0, 10), Rule(2, 1, "", 10, 20), Rule(3, 3, "", 20, 30)])


def book(ladder: Ladder) -> Book:
    """Level 2 had a rule once."""
    return Book(ladder, levels=frozenset({0, 1, 2, 3}))


BOOK = book(LADDER)


@pytest.mark.parametrize("size", [1, 3, 50, 1_000])
def test_pages_of_members_at_risk_have_everybody_once_in_order(crowd: Crowd, size: int) -> None:
    rows = [member(name, 8 + number % 20, number % 4) for number, name in enumerate(NAMES)]
    rows += [member(f"m{number}", number % 40, number % 4) for number in range(80)]
    rows.append(member("hand", 10, 1, by_hand=True))
    crowd.write(rows, STEPS)
    # Who has level 2 keeps it from the points of level 3 on, and loses it below them.
    floors, least = {1: 10, 2: 20, 3: 20}, {1: 0, 2: -20, 3: 0}
    wanted = sorted(
        (BUCKETS.number_of(row.user), row.level, row.points, row.user)
        for row in rows[:-1]
        if row.level in floors and least[row.level] <= row.points - floors[row.level] < 5
    )
    got: list[AtRiskMember] = []
    cursor = ""
    while True:
        page = AtRiskPages(crowd).page(BOOK, 5, size, cursor, go_on)
        got += page.members
        cursor = page.next_cursor
        if not cursor:
            break
        assert len(page.members) == size
    assert [
        (BUCKETS.number_of(each.user_id), each.level, each.points, each.user_id) for each in got
    ] == wanted
    assert all(each.margin == max(-1, each.points - floors[each.level]) for each in got)


@pytest.mark.parametrize("size", [99, 1_000])
def test_pages_go_through_all_levels_without_a_rule_that_a_bucket_has(
    crowd: Crowd, size: int
) -> None:
    levels = range(10, 260)
    rows = [member(name, 25, level) for name, level in zip(NAMES, levels, strict=False)]
    crowd.write(rows, STEPS)
    many, got, cursor = Book(LADDER, levels=frozenset({0, 1, 3, *levels})), [], ""
    while True:
        page = AtRiskPages(crowd).page(many, 1, size, cursor, go_on)
        got += [each.level for each in page.members]
        cursor = page.next_cursor
        if not cursor:
            break
    assert got == list(levels)


def test_a_page_goes_on_in_the_next_level_where_the_last_member_has_moved(crowd: Crowd) -> None:
    # The names of one level say nothing about those of the next one.
    earlier, later = sorted(NAMES[:2])
    crowd.write([member(later, 10, 1), member(earlier, 20, 3)], STEPS)
    page = AtRiskPages(crowd).page(BOOK, 5, 1, "", go_on)
    assert [each.user_id for each in page.members] == [later]
    crowd.write([member(later, 100, 0)], STEPS)
    rest = AtRiskPages(crowd).page(BOOK, 5, 1, page.next_cursor, go_on)
    assert [each.user_id for each in rest.members] == [earlier]


def test_a_small_page_of_many_members_asks_for_few(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd.write([member(f"m{number}", 12, 1) for number in range(2_000)], STEPS)
    asked: list[int] = []
    pages = crowd.indexes.pages

    def noted(places: Sequence[Any], limit: int) -> Any:
        asked.append(len(places))
        return pages(places, limit)

    monkeypatch.setattr(crowd.indexes, "pages", noted)
    page = AtRiskPages(crowd).page(BOOK, 5, 1, "", go_on)
    assert len(page.members) == 1
    assert asked == [1]


def test_a_page_goes_on_where_the_rules_have_changed_since(crowd: Crowd) -> None:
    rows = [member(name, points, 1) for name, points in zip(NAMES, (10, 22, 23, 24), strict=False)]
    rows.append(member(NAMES[5], 20, 3))
    crowd.write(rows, STEPS)
    cursor = AtRiskPages(crowd).page(BOOK, 20, 2, "", go_on).next_cursor

    def rest(ladder: Ladder) -> list[tuple[int, int]]:
        page = AtRiskPages(crowd).page(book(ladder), 20, 9, cursor, go_on)
        return [(each.level, each.points) for each in page.members]

    assert rest(LADDER) == [(1, 23), (1, 24), (3, 20)]
    higher = Ladder([Rule(1, 0, "", 0, 10), Rule(2, 1, "", 24, 30), Rule(3, 3, "", 30, 40)])
    assert rest(higher) == [(1, 24)]
    # Nobody keeps the level that lost its rule now; the page before had everybody up to 22.
    assert rest(LADDER.without(2)) == [(1, 23), (1, 24), (3, 20)]
    assert rest(Ladder([Rule(2, 1, "", 0, 30), Rule(3, 3, "", 20, 40)])) == [(3, 20)]
