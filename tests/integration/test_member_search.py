"""A search finds each member whose id begins with the prefix, in several calls if need be."""

import time
from collections.abc import Callable, Collection, Iterable
from itertools import product

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.member_level import cursors
from services.member_level.cursors import ListCursor, SearchCursor
from services.member_level.member_search import Asked, MemberSearch, SearchedPage
from services.runtime.errors import Failure
from services.store.pace import Pace
from services.store.settings import StoreSettings
from services.store.store import Store
from services.user_state.bulk import BulkUsers
from services.user_state.indexes import BUCKETS_AT_A_TIME
from services.user_state.record import Source
from services.user_state.rows import Row
from services.user_state.search import START, IndexedUser, PrefixSearch
from services.user_state.state import UserState
from tests.integration.conftest import Stores
from tests.support.levels import BUCKETS, NOW, THRESHOLDS, go_on, same_bucket

LEVELS = (0, 1, 3)
# Characters that are special in a pattern, in Lua or in UTF-8.
LETTERS = st.sampled_from([*'ab*[]?\\%.^$-"', "é", "用", "\U0001f3ae"])
NAMES = st.text(LETTERS, min_size=1, max_size=4)


class CallerLeftError(Exception):
    pass


def row(name: str, points: int, level: int, *, manual: bool = False) -> Row:
    if manual:
        return Row(name, points, level, Source.MANUAL, NOW + 9, "p")
    return Row(name, points, level)


class Searching:
    """Searches in a store, with parts as small as the test needs."""

    def __init__(
        self,
        store: Store,
        users: UserState,
        most_examined: int = 500,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        search = PrefixSearch(store, most_examined)
        self._search = MemberSearch(users, search, BUCKETS, now)

    def page(
        self,
        prefix: str,
        size: int = 20,
        cursor: str = "",
        seconds: float = 60,
        levels: Collection[int] = LEVELS,
        proceed: Callable[[], None] = go_on,
    ) -> SearchedPage:
        return self._search.page(Asked(prefix, levels, size, seconds, proceed), cursor)

    def pages(self, prefix: str, size: int, seconds: float = 60) -> list[SearchedPage]:
        pages = [self.page(prefix, size, "", seconds)]
        while pages[-1].next_cursor:
            pages.append(self.page(prefix, size, pages[-1].next_cursor, seconds))
        return pages

    def all(self, prefix: str, size: int, seconds: float = 60) -> list[IndexedUser]:
        return [each for page in self.pages(prefix, size, seconds) for each in page.members]


def test_a_search_pauses_after_each_round_trip(store: Store, users: UserState) -> None:
    pauses: list[float] = []
    pace = Pace(pauses.append)
    search = MemberSearch(users, PrefixSearch(store), BUCKETS, turn=pace.turn)
    search.page(Asked("nobody", LEVELS, 20, 60, go_on), "")
    assert len(pauses) == BUCKETS.count // BUCKETS_AT_A_TIME


def expected(rows: Iterable[Row], prefix: str) -> list[IndexedUser]:
    return sorted(
        IndexedUser(each.level or 0, each.source is Source.MANUAL, each.points, each.user)
        for each in rows
        if each.user.startswith(prefix)
    )


@example(prefix="a*[", made=[("a*[b", 1, 0, False), ("axb", 1, 0, False)], size=3, most=1)
@example(prefix="a", made=[("ba", 1, 0, False), ("ab", 1, 0, False)], size=3, most=500)
@example(prefix="?", made=[("?", 1, 0, False), ("a", 1, 0, False)], size=1, most=1)
@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    prefix=NAMES,
    made=st.lists(
        st.tuples(NAMES, st.integers(0, 5), st.sampled_from(LEVELS), st.booleans()),
        max_size=60,
        unique_by=lambda each: each[0],
    ),
    size=st.integers(1, 25),
    most=st.sampled_from([1, 7, 500]),
)
def test_a_search_equals_startswith_over_all_members(
    users: UserState,
    bulk: BulkUsers,
    store: Store,
    stores: Stores,
    any_store: StoreSettings,
    prefix: str,
    made: list[tuple[str, int, int, bool]],
    size: int,
    most: int,
) -> None:
    stores.emptied(any_store)
    rows = [row(name, points, level, manual=manual) for name, points, level, manual in made]
    bulk.write(rows, THRESHOLDS)
    found = Searching(store, users, most).all(prefix, size)
    assert sorted(found) == expected(rows, prefix)
    if any(each.user == prefix for each in rows):
        assert found[0].user == prefix


@pytest.mark.parametrize(("most", "size"), [(1, 100), (100, 3), (100, 33), (10_000, 100)])
def test_a_bucket_with_many_members_is_searched_in_parts(
    users: UserState, bulk: BulkUsers, store: Store, most: int, size: int
) -> None:
    names = same_bucket(600)
    rows = [row(name, n % 40, LEVELS[n % 3], manual=n % 5 == 0) for n, name in enumerate(names)]
    rows += [row(f"v{number}", 1, 0) for number in range(50)]
    bulk.write(rows, THRESHOLDS)
    prefix = names[-1][:3]
    found = Searching(store, users, most).all(prefix, size)
    assert sorted(found) == expected(rows, prefix)


def test_one_script_examines_at_most_500_members(bulk: BulkUsers, store: Store) -> None:
    bulk.write([row(name, n, 0) for n, name in enumerate(same_bucket(1_000))], THRESHOLDS)
    bucket, stops = BUCKETS.of("u"), []
    after: IndexedUser | None = START
    while after is not None:
        (searched,) = PrefixSearch(store).search([(bucket, after)], LEVELS, "~", 20)
        after = searched.stopped
        stops.append(None if after is None else after.points)
    assert stops == [499, 999, None]
    # It also ends after the users that it may return.
    (searched,) = PrefixSearch(store).search([(bucket, START)], LEVELS, "u", 20)
    assert searched.stopped == searched.found[-1]
    assert [each.points for each in searched.found] == list(range(20))


def test_every_page_but_the_last_ends_with_its_size_or_its_time(
    users: UserState, bulk: BulkUsers, store: Store
) -> None:
    rows = [row(f"m{number}", number % 9, 1) for number in range(300)]
    bulk.write(rows, THRESHOLDS)
    pages = Searching(store, users).pages("m", 70)
    assert [len(page.members) for page in pages[:-1]] == [70] * 4
    percents = [page.percent for page in pages]
    assert percents == sorted(percents)
    assert all(0 <= each < 100 for each in percents[:-1])
    assert percents[-1] == 100
    # A call without any time left still searches a part, so the search comes to its end.
    hurried = Searching(store, users, 1, now=lambda: 0.0)
    steps = hurried.pages("m2", 70, seconds=0)
    assert sorted(each for page in steps for each in page.members) == expected(rows, "m2")
    assert len(steps) > 100


def test_a_call_makes_few_round_trips_after_its_time(
    users: UserState, bulk: BulkUsers, store: Store
) -> None:
    bulk.write([row(name, 1, 0) for name in same_bucket(300)], THRESHOLDS)
    times = iter([0.0, *[0.5] * 5, *[1.0] * 10])
    proceeded: list[None] = []
    searching = Searching(store, users, 10, now=lambda: next(times))
    page = searching.page("~", seconds=1, proceed=lambda: proceeded.append(None))
    assert page.next_cursor
    assert len(proceeded) <= 6


def test_members_who_do_not_change_are_found_once_whatever_the_others_do(
    users: UserState, bulk: BulkUsers, store: Store
) -> None:
    rows = [row(name, n % 9, LEVELS[n % 3]) for n, name in enumerate(same_bucket(90))]
    bulk.write(rows, THRESHOLDS)
    searching, found, cursor = Searching(store, users, 5), [], ""
    changing = {each.user for each in rows[::3]}
    for number in range(90):
        page = searching.page("u", 4, cursor)
        found += [each.user for each in page.members]
        cursor = page.next_cursor
        if not cursor:
            break
        moving = rows[number * 3 % 90].user
        if number % 2:
            users.delete(moving)
        else:
            bulk.write([row(moving, 9 - number % 9, 3, manual=True)], THRESHOLDS)
    unchanged = {each.user for each in rows} - changing
    assert sorted(user for user in found if user in unchanged) == sorted(unchanged)


def test_a_search_continues_after_a_level_was_added(
    users: UserState, bulk: BulkUsers, store: Store
) -> None:
    names = same_bucket(30)
    bulk.write([row(name, n, 0 if n < 10 else 3) for n, name in enumerate(names)], THRESHOLDS)
    searching = Searching(store, users)
    first = searching.page("u", 15, levels=(0, 3))
    bulk.write([row(names[0], 5, 1)], THRESHOLDS)
    rest = searching.page("u", 100, first.next_cursor)
    assert [each.points for each in rest.members] == list(range(15, 30))
    # A cursor in a level that nobody has continues in the next one.
    in_two = SearchCursor("u", BUCKETS.number_of("u"), IndexedUser(2, True, 9, "u"))
    later = searching.page("u", 100, cursors.search_cursor(in_two))
    assert [each.points for each in later.members] == list(range(10, 30))


def test_a_search_ends_when_its_caller_has_left(
    users: UserState, bulk: BulkUsers, store: Store
) -> None:
    bulk.write([row(f"m{number}", 1, 1) for number in range(20)], THRESHOLDS)
    calls: list[None] = []

    def proceed() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise CallerLeftError

    with pytest.raises(CallerLeftError):
        Searching(store, users).page("~", proceed=proceed)
    assert len(calls) == 3


def test_a_search_without_levels_finds_nobody(users: UserState, store: Store) -> None:
    assert Searching(store, users).page("m", levels=()) == SearchedPage([], "", 100)


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        cursors.list_cursor(ListCursor(1, 3, "a")),
        cursors.search_cursor(SearchCursor("other", 1, START)),
        cursors.search_cursor(SearchCursor("u", 1_024, START)),
        cursors.search_cursor(SearchCursor("u", 2**16 - 1, START)),
    ],
)
def test_a_cursor_of_another_call_prefix_or_store_is_refused(
    users: UserState, store: Store, cursor: str
) -> None:
    with pytest.raises(Failure):
        Searching(store, users).page("u", cursor=cursor)


def test_a_forged_cursor_only_chooses_where_the_search_continues(
    users: UserState, bulk: BulkUsers, store: Store
) -> None:
    rows = [row("u", 3, 3), row("u-other", 3, 3, manual=True)]
    bulk.write(rows, THRESHOLDS)
    searching, bucket = Searching(store, users), BUCKETS.number_of("u-other")
    names = ("", "\0", "用户", "x" * 200)
    for number, name, manual in product((0, 3, 2**31, 2**32 - 1), names, (False, True)):
        after = IndexedUser(number, manual, number, name)
        cursor = cursors.search_cursor(SearchCursor("u", bucket, after))
        assert set(searching.page("u", cursor=cursor).members) <= set(expected(rows, "u"))
