"""Searches find the users that checks find, on each kind of store."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import Any, cast

import grpc
import pytest
from hypothesis import given, settings

from levelgate.access.v1.reason_pb2 import REASON_TOO_MANY_STREAMS
from levelgate.upbot.v1 import eligibility_pb2 as pb
from services.rules.ladder import Ladder, Rule
from services.rules.rule_book import Book, RuleBook
from services.runtime.admission import Admission
from services.runtime.errors import Failure, reason_name
from services.store import deadline
from services.store.pace import Pace
from services.store.reads import StoreReads
from services.store.settings import StoreSettings
from services.store.store import Store
from services.upbot_checks.eligibility import counting as counting_module
from services.upbot_checks.eligibility import visits
from services.upbot_checks.eligibility.audience import Audience
from services.upbot_checks.eligibility.condition import Condition
from services.upbot_checks.eligibility.counting import Counting
from services.upbot_checks.eligibility.parse import parse_condition
from services.upbot_checks.eligibility.search import Searches
from services.upbot_checks.eligibility.search_cursor import Position, search_cursor
from services.upbot_checks.eligibility.snapshots import Snapshots
from services.user_facts.fact import GameFact, Star
from services.user_facts.fact_index import FactIndex
from services.user_facts.fact_store import FactStore
from services.user_state.bulk import BulkUsers
from services.user_state.indexes import BUCKETS_AT_A_TIME
from services.user_state.record import Source
from services.user_state.rows import Row
from services.user_state.state import UserState
from tests.support.conditions import KEY, LEVELS, STARS, conditions
from tests.support.levels import BUCKETS, NOW, THRESHOLDS, same_bucket

SHARED = same_bucket(40)
OTHERS = [f"other-{number}" for number in range(20)]
NAMES = [*SHARED, *OTHERS]
LEVEL = pb.Condition(level_at_least=0)
STAR = pb.Condition(star=pb.StarLit(gids=[1]))


class Context:
    """A caller who stays for this many questions."""

    def __init__(self, questions: int = 10**9) -> None:
        self.questions = questions

    def is_active(self) -> bool:
        self.questions -= 1
        return self.questions >= 0


STAYS: Any = Context()


class Clock:
    def __init__(self) -> None:
        self.now, self.step = 0.0, 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def searches(store: Store) -> Searches:
    rules = RuleBook(store)
    ladder = Ladder([Rule(level, level, "", level * 4, level * 4 + 4) for level in LEVELS])
    rules.change(lambda _book: Book(ladder, next_id=9))
    return Searches(store, BUCKETS, rules, Pace(lambda _seconds: None))


@pytest.fixture
def counting(searches: Searches) -> Counting:
    return Counting(searches, chance=random.Random(1))


@pytest.fixture
def audience(searches: Searches, counting: Counting, clock: Clock) -> Audience:
    streams = Admission(1, REASON_TOO_MANY_STREAMS, "searches")
    return Audience(searches, counting, streams, threading.Event(), clock)


@pytest.fixture
def facts(store: Store) -> FactStore:
    return FactStore(store, BUCKETS)


def populate(bulk: BulkUsers, facts: FactStore, seed: int = 1) -> None:
    """Members with and without facts, users with facts alone, and users with neither."""
    chance = random.Random(seed)
    rows = []
    for name in NAMES:
        level = chance.choice((*LEVELS, None))
        if level is not None:
            manual = chance.random() < 0.3
            source, until = (Source.MANUAL, NOW + 9) if manual else (Source.EARNED, 0)
            rows.append(Row(name, chance.randrange(13), level, source, until, "p" * manual))
        for star in STARS:
            if chance.random() < 0.3:
                facts.put_star(name, star, lit=True)
        if chance.random() < 0.4:
            fact = chance.choice([GameFact("x", 5), GameFact(None, 2), GameFact("y", None)])
            facts.put_game_fact(name, KEY, fact)
    bulk.write(rows, THRESHOLDS)


def found_by(searches: Searches, condition: Condition) -> list[str]:
    visited = searches.visited_by(condition)
    found = searches.search(condition, visited, BUCKETS.all(), lambda: None)
    return [user for each in found if each is not None for user in each.users]


def streamed(audience: Audience, condition: pb.Condition, cursor: str = "") -> list[Any]:
    request = pb.FindUsersRequest(condition=condition, cursor=cursor)
    return [each.data for each in audience.stream(request, STAYS)]


def page_of(
    audience: Audience, condition: pb.Condition, size: int, cursor: str = ""
) -> pb.SearchProgress:
    request = pb.FindUsersPageRequest(condition=condition, page_size=size, cursor=cursor)
    return audience.page(request, STAYS).data


def known_users(store: Store, facts: FactStore) -> list[str]:
    """A user without any data is not known, so no search finds it."""
    users = UserState(store, BUCKETS)
    return [name for name in NAMES if users.get(name) or any(facts.all_of(name))]


def test_a_search_and_a_count_agree_with_checks_of_all_users(
    any_store: StoreSettings,
    store: Store,
    searches: Searches,
    counting: Counting,
    bulk: BulkUsers,
    facts: FactStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Several round trips for each bucket.
    monkeypatch.setattr(visits, "_COST_AT_A_TIME", 70)
    monkeypatch.setattr(visits, "_SPANS_AT_A_TIME", 2)
    populate(bulk, facts)
    known = known_users(store, facts)
    snapshots = Snapshots(StoreReads(store), StoreReads(store), BUCKETS)

    # A search reads each of the 1,024 buckets from its own node, so it takes longer on a cluster.
    @settings(max_examples=8 if "cluster" in any_store.url.get_secret_value() else 25)
    @given(conditions)
    def agree(condition: Condition) -> None:
        checked = snapshots.read(known, condition.needs(), {})
        pairs = zip(known, checked, strict=True)
        wanted = [name for name, user in pairs if condition.holds(user)]
        found = found_by(searches, condition)
        assert sorted(found) == sorted(wanted)
        assert counting.count(condition, lambda: None).users == len(wanted)

    agree()


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_pages_contain_everybody_once(
    audience: Audience, bulk: BulkUsers, facts: FactStore, size: int
) -> None:
    populate(bulk, facts)
    condition = pb.Condition(any=pb.ConditionList(conditions=[LEVEL, STAR]))
    (whole,) = [each for each in streamed(audience, condition) if each.openids]
    cursor, pages = "", list[str]()
    while True:
        page = page_of(audience, condition, size, cursor)
        assert len(page.openids) <= size
        pages += page.openids
        # From any cursor the stream continues with the others.
        cursor = page.next_cursor
        if not cursor:
            break
        if len(pages) % 10 == 0:
            rest = [user for each in streamed(audience, condition, cursor) for user in each.openids]
            assert [*pages, *rest] == list(whole.openids)
    assert pages == list(whole.openids)
    assert len(set(pages)) == len(pages) > 40
    assert page.percent == 100


def test_a_user_who_moves_meanwhile_appears_once(
    searches: Searches, bulk: BulkUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "_COST_AT_A_TIME", 20)
    bulk.write([Row(name, 0, 0) for name in SHARED], THRESHOLDS)
    condition = parse_condition(LEVEL)
    visited = searches.visited_by(condition)
    found: list[str] = []
    for each in searches.search(condition, visited, [BUCKETS.of(SHARED[0])], lambda: None):
        bulk.write([Row(name, 12, 3) for name in SHARED[:20]], THRESHOLDS)
        found += () if each is None else each.users
    assert sorted(found) == sorted(SHARED)


def test_a_search_makes_progress_after_the_first_bucket(
    searches: Searches, bulk: BulkUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Eight users in a round trip, and about 20 in each bucket.
    monkeypatch.setattr(visits, "_COST_AT_A_TIME", 80)
    names = (f"member-{number}" for number in range(20 * BUCKETS.count))
    some = [name for name in names if BUCKETS.number_of(name) < BUCKETS_AT_A_TIME]
    bulk.write([Row(name, 0, 0) for name in some], THRESHOLDS)
    condition = parse_condition(LEVEL)
    visited = searches.visited_by(condition)
    found = searches.search(condition, visited, BUCKETS.all(), lambda: None)
    rounds = 1 + len(list(takewhile(lambda each: each is None, found)))
    assert rounds < len(some) / 8 / 2


def test_a_long_search_reports_progress(audience: Audience, clock: Clock, bulk: BulkUsers) -> None:
    bulk.write([Row(name, 0, 0) for name in OTHERS], THRESHOLDS)
    clock.step = 0.3
    messages = streamed(audience, LEVEL)
    assert len(messages) > 100
    assert any(not each.openids for each in messages)
    percents = [each.percent for each in messages]
    assert percents == sorted(percents)
    assert (percents[-1], messages[-1].next_cursor) == (100, "")
    assert all(each.next_cursor for each in messages[:-1])
    assert sorted(user for each in messages for user in each.openids) == sorted(OTHERS)
    # A page ends after a second, too, and always leads further, to all users.
    clock.step = 2
    pages = [page_of(audience, LEVEL, 1_000)]
    assert pages[0].percent < 100
    while cursor := pages[-1].next_cursor:
        pages.append(page_of(audience, LEVEL, 1_000, cursor))
    assert [user for page in pages for user in page.openids] == [
        user for each in messages for user in each.openids
    ]
    assert len(pages) > 10


def test_a_search_ends_when_its_caller_leaves(
    audience: Audience, bulk: BulkUsers, facts: FactStore
) -> None:
    populate(bulk, facts)
    calls: Sequence[Callable[[Any], object]] = [
        lambda context: list(audience.stream(pb.FindUsersRequest(condition=STAR), context)),
        lambda context: audience.page(
            pb.FindUsersPageRequest(condition=STAR, page_size=1_000), context
        ),
        lambda context: audience.count(pb.CountUsersRequest(condition=STAR), context),
        lambda context: audience.count(pb.CountUsersRequest(condition=LEVEL), context),
        lambda context: audience.count(
            pb.CountUsersRequest(condition=STAR, estimate=True), context
        ),
    ]
    for call in calls:
        context = Context(questions=3)
        with pytest.raises(Failure) as raised:
            call(context)
        assert raised.value.code is grpc.StatusCode.CANCELLED
        assert context.questions == -1


@pytest.mark.parametrize("condition", [STAR, LEVEL])
def test_a_count_pauses_after_each_round_trip(store: Store, condition: pb.Condition) -> None:
    pauses: list[float] = []
    rules = RuleBook(store)
    rules.change(lambda _book: Book(Ladder([Rule(1, 0, "", 0, 9)]), next_id=2))
    counting = Counting(Searches(store, BUCKETS, rules, Pace(pauses.append)))
    counting.count(parse_condition(condition), lambda: None)
    assert len(pauses) >= BUCKETS.count // 64
    assert all(0 < pause <= 0.01 for pause in pauses)


def test_a_search_ends_with_its_deadline(audience: Audience) -> None:
    with deadline.within(0), pytest.raises(deadline.DeadlinePassedError):
        audience.count(pb.CountUsersRequest(condition=STAR), STAYS)


def test_there_is_a_limit_of_streams_that_search(audience: Audience) -> None:
    first: Iterator[Any] = iter(audience.stream(pb.FindUsersRequest(condition=LEVEL), STAYS))
    next(first)
    with pytest.raises(Failure, match="1 searches at a time"):
        streamed(audience, LEVEL)
    cast(Any, first).close()
    streamed(audience, LEVEL)


def test_a_search_ends_when_the_service_stops(audience: Audience) -> None:
    audience._stopping.set()
    with pytest.raises(Failure) as raised:
        streamed(audience, LEVEL)
    assert reason_name(raised.value.reason) == "SHUTTING_DOWN"


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        search_cursor(STAR, Position(1, "")),
        search_cursor(LEVEL, Position(BUCKETS.count, "")),
        search_cursor(LEVEL, Position(BUCKETS.number_of("u") + 1, "u")),
    ],
)
def test_a_cursor_of_another_search_is_refused(audience: Audience, cursor: str) -> None:
    for call in (
        lambda: streamed(audience, LEVEL, cursor),
        lambda: page_of(audience, LEVEL, 1, cursor),
    ):
        with pytest.raises(Failure) as raised:
            call()
        assert reason_name(raised.value.reason) == "CURSOR_INVALID"


def test_an_estimate_states_its_error(
    counting: Counting, bulk: BulkUsers, facts: FactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting_module, "_FEW_USERS", 1_000)
    names = [f"member-{number}" for number in range(3_000)]
    bulk.write([Row(name, 0, 0) for name in names], THRESHOLDS)
    for name in names[:300]:
        facts.put_star(name, Star(1, 1), lit=True)
    found = counting.estimate(parse_condition(STAR), lambda: None)
    assert found.is_estimated
    assert abs(found.users - 300) <= found.error < 300


def test_an_estimate_is_exact_for_what_the_indexes_know(
    counting: Counting, bulk: BulkUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting_module, "_FEW_USERS", 0)
    bulk.write([Row(f"member-{number}", 0, 0) for number in range(300)], THRESHOLDS)
    found = counting.estimate(parse_condition(LEVEL), lambda: None)
    assert found == counting.count(parse_condition(LEVEL), lambda: None)
    assert not found.is_estimated


def test_users_whose_facts_are_older_than_the_index_are_found_once_it_is_complete(
    searches: Searches, facts: FactStore, store: Store
) -> None:
    condition = parse_condition(STAR)
    for name in NAMES:
        facts.put_star(name, Star(1, 1), lit=True)
    for name in NAMES:
        store.delete(BUCKETS.of(name).fact_users)
    assert found_by(searches, condition) == []
    FactIndex(store, facts, threading.Event()).complete()
    assert sorted(found_by(searches, condition)) == sorted(NAMES)


def test_the_index_of_facts_forgets_users_without_facts(
    searches: Searches, facts: FactStore
) -> None:
    condition = parse_condition(pb.Condition(negated=LEVEL))
    for star in STARS:
        facts.put_star("a", star, lit=True)
        facts.put_star("b", star, lit=True)
    facts.delete("b")
    assert found_by(searches, condition) == ["a"]
    for star in STARS:
        facts.put_star("a", star, lit=False)
    assert found_by(searches, condition) == []
    facts.index(["a", "b"])
    assert found_by(searches, condition) == []


def test_a_condition_that_reads_too_many_values_of_each_user_is_refused(audience: Audience) -> None:
    parts = [
        pb.Condition(star=pb.StarLit(gids=range(100 * part, 100 * part + 100)))
        for part in range(10)
    ]
    condition = pb.Condition(any=pb.ConditionList(conditions=parts))
    with pytest.raises(Failure, match="condition: must need at most 2000 values per user"):
        streamed(audience, condition)
