"""Many users at once: demotion, counts, pages, import and export, in small steps."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.member_level import preview
from services.rules.ladder import Ladder, Rule
from services.store.keys import Bucket
from services.store.scripts import Call
from services.store.store import Store
from services.user_state import bulk as crowd_of
from services.user_state import history
from services.user_state.bulk import BATCH, Crowd, Demoted
from services.user_state.history import Kind, changes_of
from services.user_state.indexes import BUCKETS_AT_A_TIME, Question, Span
from services.user_state.record import Source
from services.user_state.rows import Row
from services.user_state.state import UserState
from tests.support.ladders import ladders
from tests.support.levels import (
    BUCKETS,
    LADDER,
    NOW,
    STEPS,
    falls_of,
    found,
    index_of,
    same_bucket,
    started,
    steps_of,
)

BUCKET = BUCKETS.of("u")
ALL_POINTS = 2**31
# A rule above level 3, which has lost its own.
HIGHER = LADDER.without(4).put(Rule(9, 5, "", 1400, 2000))


def go_on() -> None:
    """The caller is still there."""


def demote(
    crowd: Crowd, ladder: Ladder = LADDER, lost: Iterable[int] = (), run: str = "run"
) -> Demoted:
    """One step in the bucket of all users here. `lost` are levels that once had a rule."""
    (only,) = crowd.demote([BUCKET], steps_of(ladder), falls_of(ladder, lost), run, "app")
    return only


@pytest.fixture
def users(store: Store) -> UserState:
    return UserState(store, BUCKETS, now=lambda: NOW)


@pytest.fixture
def crowd(store: Store) -> Crowd:
    return Crowd(store, BUCKETS, now=lambda: NOW)


def test_demotion_refits_to_the_points_and_not_one_step(users: UserState, crowd: Crowd) -> None:
    started(users, "u", 1500)
    users.set_points("u", 100, STEPS)
    assert demote(crowd).now == 1
    record = found(users, "u")
    assert (record.level, record.points) == (0, 100)
    assert demote(crowd).now == 0


def test_demotion_never_raises(users: UserState, crowd: Crowd) -> None:
    started(users, "u", 100)
    users.set_by_hand("u", 0, "p", NOW - 1)
    users.set_points("u", 400, STEPS)
    easier = Ladder([Rule(1, 0, "a", 0, 10), Rule(2, 1, "b", 10, 800)])
    demote(crowd, easier)
    record = found(users, "u")
    assert (record.level, record.source) == (0, Source.EARNED)


@pytest.mark.parametrize(("protected_until", "level"), [(NOW - 1, 1), (NOW, 1), (NOW + 1, 3)])
def test_a_hand_set_level_falls_when_its_protection_is_past(
    users: UserState, crowd: Crowd, protected_until: int, level: int
) -> None:
    started(users, "u", 600)
    users.set_by_hand("u", 3, "p", protected_until)
    demote(crowd)
    assert found(users, "u").level == level


def test_a_hand_set_level_that_the_points_earn_is_earned_from_then_on(
    users: UserState, crowd: Crowd, store: Store
) -> None:
    started(users, "u", 600)
    users.set_by_hand("u", 1, "p", NOW)
    assert demote(crowd).now == 1
    record = found(users, "u")
    assert (record.level, record.source, record.protected_until) == (1, Source.EARNED, 0)
    assert index_of(store, "u") == {"level:1": 600}
    # No rule gave the level: only the protection ended.
    assert changes_of(record)[0].rule == 0
    assert demote(crowd).now == 0


@pytest.mark.parametrize(
    ("points", "rules", "level", "rule"),
    [
        # Level 3 had 1200; its rule is gone.
        (1500, LADDER.without(4), 1, 2),  # above all rules nobody keeps it
        (1500, LADDER.without(4).without(2), 0, 1),
        (1500, HIGHER, 3, None),  # the points would keep even the level above
        (1399, HIGHER, 1, 2),
        (1500, Ladder([Rule(9, 3, "", 0, 10)]), 3, None),  # the lowest
        (1500, Ladder([Rule(9, 4, "", 0, 10)]), 3, None),  # below the lowest: never raised
    ],
)
def test_members_of_a_deleted_rule_fall_to_their_points(
    users: UserState, crowd: Crowd, points: int, rules: Ladder, level: int, rule: int | None
) -> None:
    started(users, "u", 1500)
    users.set_points("u", points, STEPS)
    assert demote(crowd, rules, {3}).now == (0 if rule is None else 1)
    record = found(users, "u")
    assert (record.level, record.points) == (level, points)
    change = changes_of(record)[0]
    if rule is not None:
        assert (change.kind, change.rule, change.rule_version) == (Kind.DEMOTED, rule, 7)
    assert demote(crowd, rules, {3}).now == 0


def test_a_level_set_by_hand_outlives_its_rule_while_it_is_protected(
    users: UserState, crowd: Crowd
) -> None:
    for user, until in zip(same_bucket(2), (NOW, NOW + 1), strict=True):
        started(users, user, 600)
        users.set_by_hand(user, 3, "p", until)
    assert demote(crowd, LADDER.without(4), {3}).now == 1
    assert [found(users, user).level for user in same_bucket(2)] == [1, 3]


def test_levels_that_lost_their_rules_are_gone_through_however_many_they_are(
    users: UserState, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Members of the first and the last of them, more than one step takes.
    levels = range(10, 2_000)
    names = same_bucket(BATCH + 5)
    rows = [Row(user, 600, levels[-(n % 2)]) for n, user in enumerate(names)]
    crowd.write(rows, STEPS)
    asked: list[int] = []
    evalsha = crowd._scripts.demote.many

    def noted(calls: Sequence[Call]) -> list[Any]:
        asked.extend(len(cast(bytes, arguments[-1])) // 8 for _, arguments in calls)
        return evalsha(calls)

    monkeypatch.setattr(crowd._scripts.demote, "many", noted)
    assert demote(crowd, LADDER, levels) == (BATCH, BATCH)
    assert demote(crowd, LADDER, levels) == (5, BATCH + 5)
    assert demote(crowd, LADDER, levels) == (0, BATCH + 5)
    assert {found(users, user).level for user in names} == {1}
    # A script is bounded: each level costs the store about a microsecond.
    assert max(asked) <= 250


def test_who_has_just_enough_points_is_not_looked_at_again_and_again(
    users: UserState, crowd: Crowd
) -> None:
    # A full step of them would never end a run.
    names = same_bucket(BATCH + 1)
    crowd.write([Row(user, 1200, 3) for user in names], STEPS)
    versions = [found(users, user).version for user in names]
    assert demote(crowd).now == 0
    assert demote(crowd, HIGHER, {3}).now == BATCH
    crowd.write([Row(user, 1400, 3) for user in names], STEPS)
    assert demote(crowd, HIGHER, {3}).now == 0
    assert all(found(users, user).version > old for user, old in zip(names, versions, strict=True))


def test_without_rules_nobody_is_demoted(users: UserState, crowd: Crowd) -> None:
    started(users, "u", 1500)
    users.set_points("u", 0, STEPS)
    users.set_by_hand("v", 3, "p", NOW)
    assert demote(crowd, Ladder(), {0, 1, 3}) == (0, 0)


def test_a_bucket_is_demoted_in_batches_and_each_user_counted_once(
    users: UserState, crowd: Crowd
) -> None:
    for user in same_bucket(BATCH + 5):
        started(users, user, 1500)
        users.set_points(user, 0, STEPS)
    assert demote(crowd) == (BATCH, BATCH)
    assert demote(crowd) == (5, BATCH + 5)
    # Whoever drives it on after a crash hears the whole count.
    assert demote(crowd) == (0, BATCH + 5)
    assert crowd.demoted_by("run") == BATCH + 5
    assert crowd.demoted_by("another") == 0
    started(users, "u", 1500)
    users.set_points("u", 0, STEPS)
    assert demote(crowd, run="another") == (1, 1)
    assert (crowd.demoted_by("run"), crowd.demoted_by("another")) == (0, 1)


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(ladder=ladders(max_point=10_000), high=st.integers(0, 12_000), low=st.integers(0, 12_000))
def test_the_scripts_fit_by_the_same_rule_as_the_ladder(
    users: UserState, crowd: Crowd, ladder: Ladder, high: int, low: int
) -> None:
    steps = steps_of(ladder)
    users.delete("u")
    before = started(users, "u", max(high, low), steps)
    lowest = ladder.lowest_level()
    assert before.level == max(ladder.level_for(max(high, low)) or 0, lowest or 0)
    users.set_points("u", min(high, low), steps)
    demote(crowd, ladder)
    assert found(users, "u").level == ladder.level_for(min(high, low))
    crowd.write([Row("u", max(high, low))], steps)
    assert found(users, "u").level == ladder.level_for(max(high, low))


POPULATION = {"a": 0, "b": 499, "c": 500, "d": 799, "e": 900, "f": 1200, "g": 5000}


def test_a_preview_counts_who_moves_and_changes_nothing(users: UserState, crowd: Crowd) -> None:
    for user, points in POPULATION.items():
        started(users, user, points)
    # One rises to 3, the other one stays at 3, whatever its points.
    for user, points, level in (("hand", 1500, 1), ("other-hand", 0, 3)):
        started(users, user, points)
        users.set_by_hand(user, level, "p", NOW + 9)
    records = {user: users.get(user) for user in POPULATION}
    # b rises to 1, d falls to 0 as level 1 begins at 800, f falls to 1.
    stricter = Ladder(
        [Rule(1, 0, "", 0, 499), Rule(2, 1, "", 800, 1300), Rule(4, 3, "", 1300, 1400)]
    )
    asked = preview.preview_rules(stricter, {0, 1, 3})
    counts = asked.counts(crowd.indexes.count(asked.question, go_on))
    assert asked.moves(counts) == [(1, 0, 2), (1, 3, 1), (3, 1, 1)]
    assert asked.staying(counts) == 5
    assert {user: users.get(user) for user in POPULATION} == records


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    ladder=ladders(max_point=60),
    level=st.integers(0, 55),
    points=st.one_of(st.integers(0, 70), st.just(ALL_POINTS - 1)),
)
def test_the_script_demotes_by_the_same_rule_as_the_ladder(
    users: UserState, crowd: Crowd, ladder: Ladder, level: int, points: int
) -> None:
    """Whatever level somebody holds, with a rule or without one; and nobody is due twice."""
    crowd.write([Row("u", points, level)], STEPS)
    is_due = points < ladder.keeps_from(level)
    assert demote(crowd, ladder, range(56)).now == is_due
    assert found(users, "u").level == (ladder.level_for(points) if is_due else level)
    assert demote(crowd, ladder, range(56)).now == 0


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    old=ladders(max_point=60),
    new=ladders(max_point=60),
    points=st.lists(st.integers(0, 70), max_size=12),
)
def test_a_preview_is_what_then_happens(
    users: UserState, crowd: Crowd, old: Ladder, new: Ladder, points: list[int]
) -> None:
    names = [f"m{number}" for number in range(len(points))]
    crowd.write(
        [Row(name, total) for name, total in zip(names, points, strict=True)], steps_of(old)
    )
    before = {name: found(users, name).level for name in names}
    levels = {rule.level for rule in (*old.rules, *new.rules)}
    asked = preview.preview_rules(new, levels)
    told = asked.moves(asked.counts(crowd.indexes.count(asked.question, go_on)))
    falls = falls_of(new, levels)
    fall = preview.preview_demotion(new, falls)
    planned = fall.moves(fall.counts(crowd.indexes.count(fall.question, go_on)))
    crowd.demote({BUCKETS.of(name) for name in names}, steps_of(new), falls, "run")
    fallen: dict[tuple[int, int], int] = {}
    for name in names:
        pair = (before[name], found(users, name).level)
        if pair[0] != pair[1]:
            fallen[pair] = fallen.get(pair, 0) + 1
    for name, total in zip(names, points, strict=True):
        # Points that change rise to what they earn: one more and back.
        users.set_points(name, total + 1, steps_of(Ladder()))
        users.set_points(name, total, steps_of(new))
    moved: dict[tuple[int, int], int] = {}
    for name in names:
        pair = (before[name], found(users, name).level)
        if pair[0] != pair[1]:
            moved[pair] = moved.get(pair, 0) + 1
        users.delete(name)
    assert told == [(*pair, count) for pair, count in sorted(moved.items())]
    assert planned == [(*pair, count) for pair, count in sorted(fallen.items())]


def test_ended_protections_are_counted_and_listed(users: UserState, crowd: Crowd) -> None:
    for user, until in (("u", NOW), ("v", NOW + 1)):
        started(users, user)
        users.set_by_hand(user, 3, "p", until)
    counted = crowd.indexes.count(Question((), ()), go_on)
    assert {each.bucket: each.protection_ended for each in counted if each.protection_ended} == {
        BUCKET: 1
    }
    places: list[tuple[Bucket, list[Span]]] = [(BUCKET, []), (BUCKETS.of("v"), [])]
    assert [user for user, _ in crowd.indexes.due(places, 9)] == ["u"]


def test_a_page_goes_on_behind_the_last_user_whatever_changes(
    users: UserState, crowd: Crowd
) -> None:
    names = same_bucket(12)
    for position, user in enumerate(names):
        started(users, user, 500 + position // 4)
    order = sorted(names, key=lambda name: (500 + names.index(name) // 4, name.encode()))
    span = Span(False, 1, 500, 600)
    (first,) = crowd.indexes.pages([(BUCKET, [span], "")], 5)
    assert [entry.user for entry in first] == order[:5]
    # Somebody before the place goes, somebody new comes before it: nobody behind it is missed.
    users.delete(order[0])
    users.delete(order[4])
    last = first[-1]
    (rest,) = crowd.indexes.pages([(BUCKET, [span._replace(least=last.points)], last.user)], 100)
    assert [entry.user for entry in rest] == order[5:]
    assert crowd.indexes.pages([(BUCKET, [Span(False, 1, 501, 502)], "")], 100) == [
        [(0, user, 501) for user in order[5:] if 500 + names.index(user) // 4 == 501]
    ]


def test_an_import_makes_users_what_the_rows_say(
    users: UserState, crowd: Crowd, store: Store
) -> None:
    rows = [
        Row("new", 600),
        Row("level", 5, 3),
        Row("hand", 7, 1, Source.MANUAL, NOW + 5, "伙伴"),
        Row("old", 900),
    ]
    started(users, "old", 5000)
    assert crowd.write(rows, STEPS, "app") == 4
    new, level, hand, old = (found(users, row.user) for row in rows)
    assert (new.level, new.points, new.source) == (1, 600, Source.EARNED)
    assert (level.level, level.points) == (3, 5)
    assert (hand.level, hand.source, hand.protected_until, hand.partner) == (
        1,
        Source.MANUAL,
        NOW + 5,
        "伙伴",
    )
    assert (old.level, old.points) == (1, 900)
    assert index_of(store, "hand") == {"manual": NOW + 5, "hand:1": 7}
    assert index_of(store, "old") == {"level:1": 900}


def test_a_repeated_import_changes_nothing(users: UserState, crowd: Crowd) -> None:
    rows = [Row("u", 600), Row("hand", 7, 1, Source.MANUAL, NOW + 5, "p")]
    crowd.write(rows, STEPS)
    before = [users.get(row.user) for row in rows]
    assert crowd.write(rows, STEPS) == 0
    assert [users.get(row.user) for row in rows] == before


def test_of_two_rows_for_one_user_the_later_holds(users: UserState, crowd: Crowd) -> None:
    crowd.write([Row("u", 600), Row("u", 5)], STEPS)
    assert found(users, "u").points == 5


def test_an_imported_user_keeps_rising_from_its_version_and_brings_its_history(
    users: UserState, crowd: Crowd
) -> None:
    started(users, "u", 600)
    record = found(users, "u")
    users.delete("u")
    brought = history.pack(changes_of(record))
    crowd.write([Row("u", 600, 1, version=10**9, history=brought)], STEPS, "app")
    imported = found(users, "u")
    assert imported.version == 10**9 + 1
    kept = changes_of(imported)
    assert kept[0].before == kept[0].after
    assert kept[1:] == [kept[1], *changes_of(record)[1:]]
    assert kept[1].version == 10**9


def test_versions_go_on_rising_where_an_older_archive_is_restored(
    users: UserState, crowd: Crowd
) -> None:
    before = started(users, "u", 600).version
    users.delete("u")
    crowd.restore([], 1)
    assert users.initialise("u", STEPS.steps[0], 7).version > before
    users.delete("u")
    crowd.restore([], 1_000)
    assert users.initialise("u", STEPS.steps[0], 7).version == 1_001


@pytest.mark.parametrize("page", [1_000, 8])
def test_an_export_gives_everybody_once(
    users: UserState, crowd: Crowd, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(crowd_of, "_PAGE", page)
    monkeypatch.setattr(crowd_of, "_SPANS_AT_A_TIME", page)
    names, other = same_bucket(30), "v"
    for position, user in enumerate([*names, other]):
        started(users, user, position * 60)
    for user in names[3:6]:
        users.set_by_hand(user, 0, "p", NOW)
    buckets = [BUCKET, BUCKETS.of(other), BUCKETS.of("nobody")]
    exported = list(crowd.users(buckets, [0, 1, 3]))
    order = [(BUCKET, user) for user in sorted(names)] + [(BUCKETS.of(other), other)]
    assert [(bucket, user) for bucket, user, _ in exported] == order
    assert all(users.get(user) == record for _, user, record in exported)
    after = sorted(names)[9]
    rest = [user for _, user, _ in crowd.users(buckets, [0, 1, 3], after)]
    assert rest == [*sorted(names)[10:], other]


def test_an_export_misses_nobody_who_moves_meanwhile(
    users: UserState, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = same_bucket(8)
    for user in names:
        started(users, user, 5)
    pages, moving = crowd.indexes.pages, iter(names)

    def pages_while_one_moves(*arguments: Any) -> Any:
        found = pages(*arguments)
        for user in moving:
            # Out of an index that is still to be read, into one that was.
            users.set_by_hand(user, 3, "p", NOW)
            users.delete(names[0])
            break
        return found

    monkeypatch.setattr(crowd.indexes, "pages", pages_while_one_moves)
    monkeypatch.setattr(crowd_of, "_SPANS_AT_A_TIME", 1)
    exported = [user for _, user, _ in crowd.users([BUCKET], [3, 1, 0])]
    assert exported == sorted(names[1:])


def test_an_export_of_few_members_makes_a_call_for_each_bucket(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    pages = crowd.indexes.pages

    def counted(places: Any, limit: int) -> Any:
        asked.append(len(places))
        return pages(places, limit)

    monkeypatch.setattr(crowd.indexes, "pages", counted)
    list(crowd.users(BUCKETS.all()[:BUCKETS_AT_A_TIME], [0, 1, 3]))
    assert asked == [BUCKETS_AT_A_TIME]
