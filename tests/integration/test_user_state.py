"""The transitions of one user: record, index and history change together; versions only rise."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from services.rules.ladder import Ladder, Rule
from services.store.scripts import Script
from services.store.store import Store
from services.user_state.history import Kind, changes_of
from services.user_state.record import Source
from services.user_state.scripts import Retention
from services.user_state.state import Added, Addition, Bill, Outcome, UserState
from tests.support.levels import BUCKETS, NOW, THRESHOLDS, found, index_of, started, thresholds_of

MAX_POINTS = 2**31 - 1


def test_a_new_user_starts_at_the_lowest_level_with_no_points(users: UserState) -> None:
    record = users.initialise("u", THRESHOLDS.levels[0], 7)
    assert (record.level, record.points, record.source) == (0, 0, Source.EARNED)
    assert users.get("u") == record


def test_initialising_an_existing_user_changes_nothing(users: UserState) -> None:
    before = started(users, "u", 1500)
    assert users.initialise("u", THRESHOLDS.levels[0], 7) == before


def test_points_raise_a_level_and_never_lower_it(users: UserState) -> None:
    assert started(users, "u", 1500).level == 3
    fewer = users.set_points("u", 10, THRESHOLDS)
    assert fewer is not None
    assert (fewer.record.level, fewer.record.points, fewer.rose) == (3, 10, False)


def test_a_repeat_changes_nothing_not_even_the_version(users: UserState) -> None:
    before = started(users, "u", 1500)
    again = users.set_points("u", 1500, THRESHOLDS)
    assert again is not None
    assert (again.record, again.rose) == (before, False)


def test_every_transition_of_an_unknown_user_says_so(users: UserState) -> None:
    assert users.get("u") is None
    assert users.set_points("u", 1, THRESHOLDS) is None
    assert users.add_points("u", 1, Bill("b"), THRESHOLDS).outcome is Outcome.UNKNOWN
    assert users.set_manually("u", 1, "p", NOW) is None
    assert users.delete("u") is False


def test_a_manual_level_holds_until_points_earn_a_higher_one(users: UserState) -> None:
    started(users, "u", 600)
    record = users.set_manually("u", 3, "partner", NOW)
    assert record is not None
    assert (record.level, record.points, record.source) == (3, 600, Source.MANUAL)
    assert (record.protected_until, record.partner) == (NOW, "partner")
    same = users.set_points("u", 1500, THRESHOLDS)
    assert same is not None
    assert (same.record.source, same.rose) == (Source.MANUAL, False)
    users.set_manually("u", 1, "partner", NOW)
    higher = users.set_points("u", 1600, THRESHOLDS)
    assert higher is not None
    assert (higher.record.level, higher.record.source, higher.rose) == (3, Source.EARNED, True)
    assert (higher.record.protected_until, higher.record.partner) == (0, "")


def test_versions_keep_rising_when_a_deleted_user_comes_back(users: UserState) -> None:
    before = started(users, "u", 1500)
    assert users.delete("u") is True
    assert users.initialise("u", THRESHOLDS.levels[0], 7).version > before.version


def test_a_deletion_is_a_change_with_its_own_version(users: UserState, store: Store) -> None:
    before = started(users, "u", 1500).version
    users.delete("u")
    assert store.get(BUCKETS.of("u").versions) == str(before + 1).encode()


def test_a_deletion_deletes_the_history(users: UserState) -> None:
    started(users, "u", 1500)
    users.delete("u")
    assert [change.kind for change in changes_of(started(users, "u"))] == [Kind.INITIALISED]


def test_added_points_change_the_total_and_raise_the_level(users: UserState) -> None:
    version = started(users, "u", 490).version
    done = users.add_points("u", 20, Bill("b1"), THRESHOLDS)
    assert done == Addition(Outcome.DONE, Added(20, 510, 1, True, version + 1))
    less = users.add_points("u", -500, Bill("b2"), THRESHOLDS)
    assert less == Addition(Outcome.DONE, Added(-500, 10, 1, False, version + 2))


def test_a_repeated_idempotency_key_adds_nothing_and_gets_the_first_answer(
    users: UserState,
) -> None:
    started(users, "u", 490)
    first = users.add_points("u", 20, Bill("b1"), THRESHOLDS)
    users.set_points("u", 1500, THRESHOLDS)
    again = users.add_points("u", 20, Bill("b1"), THRESHOLDS)
    assert (again.outcome, again.added) == (Outcome.REPEAT, first.added)
    assert found(users, "u").points == 1500


def test_an_idempotency_key_is_known_for_seven_days(users: UserState, store: Store) -> None:
    started(users, "u")
    users.add_points("u", 20, Bill("b1", "app"), THRESHOLDS)
    key = BUCKETS.of("u").bill("app", "u", "b1")
    left = Script(store, "return redis.call('TTL', KEYS[1])")([key])
    assert 7 * 86_400 - 60 < left <= 7 * 86_400


def test_idempotency_keys_belong_to_one_user_and_one_app(users: UserState) -> None:
    started(users, "u")
    started(users, "v")
    for user, app in (("u", "a"), ("u", "b"), ("v", "a")):
        assert users.add_points(user, 5, Bill("b", app), THRESHOLDS).outcome is Outcome.DONE


def test_a_wrong_expected_version_changes_nothing_and_returns_the_right_one(
    users: UserState,
) -> None:
    record = started(users, "u", 10)
    # No user has version 0, which is not the same as an absent version.
    for version in (0, record.version - 1, record.version + 1):
        stale = users.add_points("u", 5, Bill("b", "", version), THRESHOLDS)
        assert stale == Addition(Outcome.VERSION, None, record.version)
    assert users.get("u") == record
    done = users.add_points("u", 5, Bill("b", "", record.version), THRESHOLDS)
    assert done.outcome is Outcome.DONE
    # A repeat is answered before the version is compared, because the version has changed by then.
    assert (
        users.add_points("u", 5, Bill("b", "", record.version), THRESHOLDS).outcome
        is Outcome.REPEAT
    )


@pytest.mark.parametrize(("points", "delta"), [(10, -11), (MAX_POINTS, 1), (0, -MAX_POINTS - 1)])
def test_a_total_out_of_range_changes_nothing(users: UserState, points: int, delta: int) -> None:
    record = started(users, "u", points)
    refused = users.add_points("u", delta, Bill("b"), THRESHOLDS)
    assert refused == Addition(Outcome.RANGE, None, points)
    assert users.get("u") == record
    # The refused call did not use up the idempotency key.
    assert (
        users.add_points("u", 0 - points // 2 or 1, Bill("b"), THRESHOLDS).outcome is Outcome.DONE
    )


@pytest.mark.parametrize(("points", "delta"), [(10, -10), (MAX_POINTS - 1, 1)])
def test_the_range_of_points_includes_its_ends(users: UserState, points: int, delta: int) -> None:
    started(users, "u", points)
    assert users.add_points("u", delta, Bill("b"), THRESHOLDS).outcome is Outcome.DONE
    assert found(users, "u").points == points + delta


def test_the_same_total_raises_the_level_after_the_rules_have_changed(users: UserState) -> None:
    started(users, "u", 400)
    easier = Ladder([Rule(1, 0, "a", 0, 10), Rule(2, 1, "b", 10, 800)])
    again = users.set_points("u", 400, thresholds_of(easier))
    assert again is not None
    assert (again.record.level, again.rose) == (1, True)


def test_no_more_changes_are_retained_than_the_setting_allows(store: Store) -> None:
    users = UserState(store, BUCKETS, retention=Retention(history=3))
    started(users, "u")
    for points in range(1, 6):
        users.set_points("u", points, THRESHOLDS)
    kept = changes_of(found(users, "u"))
    assert [change.after.points for change in kept if change.after] == [5, 4, 3]
    assert kept[-1].before is not None
    nothing = UserState(store, BUCKETS, retention=Retention(history=0))
    nothing.set_points("u", 9, THRESHOLDS)
    assert changes_of(found(nothing, "u")) == []


def test_concurrent_writers_never_share_a_version(users: UserState, store: Store) -> None:
    users.initialise("u", THRESHOLDS.levels[0], 7)

    def write(number: int) -> int:
        upgrade = users.set_points("u", number, THRESHOLDS)
        assert upgrade is not None
        return upgrade.record.version

    with ThreadPoolExecutor(16) as threads:
        versions = list(threads.map(write, range(1, 201)))
    assert len(set(versions)) == len(versions)
    record = found(users, "u")
    assert record.version == max(versions)
    assert index_of(store, "u") == {f"level:{record.level}": record.points}
