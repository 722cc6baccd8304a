"""Pages of the members of a level have each member once, by points and then by user."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.member_level import cursors
from services.member_level.cursors import AtRiskCursor, ListCursor
from services.member_level.level_pages import LevelPages, ListedMember
from services.runtime.errors import Failure
from services.store.pace import Pace
from services.store.settings import StoreSettings
from services.user_state.bulk import BulkUsers
from services.user_state.indexes import BUCKETS_AT_A_TIME
from services.user_state.record import Source
from services.user_state.rows import Row
from services.user_state.state import UserState
from tests.integration.conftest import Stores
from tests.support.levels import BUCKETS, NOW, THRESHOLDS, go_on, same_bucket

LEVEL, OTHER_LEVEL = 3, 1
# Ids that differ in bytes and in characters, and one that is the beginning of another.
ODD_NAMES = ("a", "ab", "B", "é", "用户", "\U0001f3ae", "\uffee", '"', "a b")


class CallerLeftError(Exception):
    pass


def row(name: str, points: int, level: int = LEVEL, *, manual: bool = False) -> Row:
    if manual:
        return Row(name, points, level, Source.MANUAL, NOW + 9, "p")
    return Row(name, points, level)


def pages_of(bulk: BulkUsers) -> LevelPages:
    return LevelPages(bulk.indexes, BUCKETS)


def all_pages(bulk: BulkUsers, size: int, least: int = 0) -> list[list[ListedMember]]:
    pages, cursor = [], ""
    while True:
        page = pages_of(bulk).page(LEVEL, least, size, cursor, go_on)
        pages.append(list(page.members))
        cursor = page.next_cursor
        if not cursor:
            return pages


def test_a_page_pauses_after_each_round_trip(bulk: BulkUsers) -> None:
    pauses: list[float] = []
    pages = LevelPages(bulk.indexes, BUCKETS, Pace(pauses.append).turn)
    pages.page(LEVEL, 0, 10, "", go_on)
    assert len(pauses) == BUCKETS.count // BUCKETS_AT_A_TIME


def wanted(rows: Iterable[Row], least: int = 0) -> list[ListedMember]:
    """What sorting every member gives; the order of ids is by bytes."""
    found = [
        ListedMember(each.points, each.user, each.source is Source.MANUAL)
        for each in rows
        if each.level == LEVEL and each.points >= least
    ]
    return sorted(found, key=lambda each: (each.points, each.user.encode()))


ROWS = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from(ODD_NAMES),
            st.sampled_from(same_bucket(40)),
            st.integers(0, 500).map(lambda number: f"m{number}"),
        ),
        st.integers(0, 6),
        st.sampled_from([LEVEL, LEVEL, OTHER_LEVEL]),
        st.booleans(),
    ),
    max_size=60,
    unique_by=lambda each: each[0],
)


@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(made=ROWS, size=st.integers(1, 30), least=st.integers(0, 4))
def test_the_pages_together_are_all_members_in_order(
    bulk: BulkUsers,
    stores: Stores,
    any_store: StoreSettings,
    made: list[tuple[str, int, int, bool]],
    size: int,
    least: int,
) -> None:
    stores.emptied(any_store)
    rows = [row(name, points, level, manual=manual) for name, points, level, manual in made]
    bulk.write(rows, THRESHOLDS)
    pages = all_pages(bulk, size, least)
    assert [each for page in pages for each in page] == wanted(rows, least)
    # Only the last page has fewer members, and it is empty only if there is no member at all.
    assert all(len(page) == size for page in pages[:-1])
    assert pages[-1] or len(pages) == 1


@pytest.mark.parametrize("size", [90, 400, 1_000])
def test_members_of_one_bucket_and_one_index_are_read_to_the_end(
    bulk: BulkUsers, size: int
) -> None:
    rows = [row(name, number * 7 % 50) for number, name in enumerate(same_bucket(800))]
    rows += [row(f"m{number}", 100, manual=number % 2 == 0) for number in range(50)]
    bulk.write(rows, THRESHOLDS)
    assert [each for page in all_pages(bulk, size) for each in page] == wanted(rows)


def test_members_who_do_not_change_are_found_once_whatever_the_others_do(
    users: UserState, bulk: BulkUsers
) -> None:
    rows = [row(f"m{number}", number % 9) for number in range(90)]
    bulk.write(rows, THRESHOLDS)
    found: list[str] = []
    changing, cursor = {f"m{number}" for number in range(0, 90, 3)}, ""
    for number in range(90):
        page = pages_of(bulk).page(LEVEL, 0, 4, cursor, go_on)
        found += [each.user for each in page.members]
        cursor = page.next_cursor
        if not cursor:
            break
        moving = f"m{number * 3 % 90}"
        if number % 2:
            users.delete(moving)
        else:
            bulk.write([row(moving, 9 - number % 9, manual=True)], THRESHOLDS)
    unchanged = {each.user for each in rows} - changing
    assert sorted(user for user in found if user in unchanged) == sorted(unchanged)


def test_a_page_reads_few_of_many_members(bulk: BulkUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(f"m{number}", number % 500) for number in range(8_000)]
    bulk.write(rows, THRESHOLDS)
    read: list[int] = []
    pages = bulk.indexes.pages

    def noted(places: Sequence[Any], limit: int) -> Any:
        answers = pages(places, limit)
        read.append(sum(map(len, answers)))
        return answers

    monkeypatch.setattr(bulk.indexes, "pages", noted)
    page = pages_of(bulk).page(LEVEL, 0, 100, "", go_on)
    assert list(page.members) == wanted(rows)[:100]
    assert sum(read) < 2_500
    assert max(read) <= 1_000


def test_a_round_trip_reads_few_members_even_if_few_buckets_have_many(
    bulk: BulkUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"m{number}" for number in range(220_000)]
    rows = [row(name, 5) for name in names if BUCKETS.number_of(name) < 15]
    bulk.write(rows, THRESHOLDS)
    read: list[int] = []
    pages = bulk.indexes.pages

    def noted(places: Sequence[Any], limit: int) -> Any:
        answers = pages(places, limit)
        read.append(sum(map(len, answers)))
        return answers

    monkeypatch.setattr(bulk.indexes, "pages", noted)
    page = pages_of(bulk).page(LEVEL, 0, 1_000, "", go_on)
    assert list(page.members) == wanted(rows)[:1_000]
    assert max(read) <= 1_000


def test_a_page_ends_when_its_caller_has_left(bulk: BulkUsers) -> None:
    calls: list[None] = []

    def proceed() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise CallerLeftError

    with pytest.raises(CallerLeftError):
        pages_of(bulk).page(LEVEL, 0, 10, "", proceed)
    assert len(calls) == 3


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        cursors.list_cursor(ListCursor(OTHER_LEVEL, 3, "a")),
        cursors.at_risk_cursor(AtRiskCursor(1, LEVEL, 3, "a")),
    ],
)
def test_a_cursor_of_another_call_or_level_is_refused(bulk: BulkUsers, cursor: str) -> None:
    with pytest.raises(Failure):
        pages_of(bulk).page(LEVEL, 0, 10, cursor, go_on)


@pytest.mark.parametrize(
    ("cursor", "least", "users"),
    [
        (ListCursor(LEVEL, 2**32 - 1, "x" * 200), 0, []),
        (ListCursor(LEVEL, 2**31, ""), 0, []),
        (ListCursor(LEVEL, 5, "\0"), 0, ["m5", "m6"]),
        (ListCursor(LEVEL, 5, ""), 0, ["m5", "m6"]),
        (ListCursor(LEVEL, 5, "用户"), 0, ["m6"]),
        (ListCursor(LEVEL, 2, "a"), 6, ["m6"]),
    ],
    ids=str,
)
def test_a_forged_cursor_only_chooses_where_the_page_starts(
    bulk: BulkUsers, cursor: ListCursor, least: int, users: list[str]
) -> None:
    bulk.write([row(f"m{number}", number) for number in range(7)], THRESHOLDS)
    page = pages_of(bulk).page(LEVEL, least, 10, cursors.list_cursor(cursor), go_on)
    assert [each.user for each in page.members] == users
