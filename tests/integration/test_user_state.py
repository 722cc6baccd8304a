"""The transitions of a user's level: record and index change together, versions only rise."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.member_level.ladder import Ladder, Rule
from services.store.keys import Bucket, bucket_of
from services.store.store import Store
from services.user_state.record import Record, Source
from services.user_state.state import DEMOTION_BATCH, Floor, UserState
from tests.support.ladders import ladders

NOW = 1_000_000
LADDER = Ladder([Rule(1, 0, "a", 0, 500), Rule(2, 1, "b", 500, 800), Rule(4, 3, "d", 1200, 2000)])


def floors(ladder: Ladder) -> list[Floor]:
    return [Floor(rule.level, rule.down_point) for rule in ladder.rules]


@pytest.fixture
def users(store: Store) -> UserState:
    return UserState(store)


def upgraded(users: UserState, user: str, points: int, ladder: Ladder = LADDER) -> Record:
    lowest = ladder.lowest_level()
    assert lowest is not None
    users.initialise(user, lowest)
    upgrade = users.upgrade(user, points, ladder.level_for(points))
    assert upgrade is not None
    return upgrade.record


def index_of(store: Store, user: str) -> dict[str, int]:
    """Every index entry of the user: the key's last part, and the score."""
    bucket = bucket_of(user)
    found = {}
    for key in store.scan_iter():
        name = key.decode()
        if name.startswith(bucket.level_prefix) or name == bucket.manual:
            entries = dict(zip(*[iter(scores(store, name))] * 2, strict=True))
            if user.encode() in entries:
                found[name.removeprefix(bucket.prefix)] = int(entries[user.encode()])
    return found


def scores(store: Store, key: str) -> Sequence[bytes]:
    reply = store.register_script("return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')")(
        [key]
    )
    assert isinstance(reply, list)
    return reply


def test_a_new_user_starts_at_the_lowest_level_with_no_points(users: UserState) -> None:
    record = users.initialise("u", 0)
    assert (record.level, record.points, record.source) == (0, 0, Source.EARNED)
    assert users.get("u") == record


def test_an_existing_user_is_left_as_it_is(users: UserState) -> None:
    before = upgraded(users, "u", 1500)
    assert users.initialise("u", 0) == before


def test_points_raise_and_never_lower(users: UserState) -> None:
    assert upgraded(users, "u", 1500).level == 3
    fewer = users.upgrade("u", 10, 0)
    assert fewer is not None
    assert (fewer.record.level, fewer.record.points, fewer.rose) == (3, 10, False)


def test_a_repeat_changes_nothing_not_even_the_version(users: UserState) -> None:
    before = upgraded(users, "u", 1500)
    again = users.upgrade("u", 1500, 3)
    assert again is not None
    assert (again.record, again.rose) == (before, False)


def test_an_unknown_user_is_none(users: UserState) -> None:
    assert users.get("u") is None
    assert users.upgrade("u", 1, 0) is None
    assert users.set_by_hand("u", 1, "p", NOW) is None
    assert users.delete("u") is False


def test_a_level_set_by_hand_stands_until_points_earn_a_higher_one(users: UserState) -> None:
    upgraded(users, "u", 600)
    record = users.set_by_hand("u", 3, "partner", NOW)
    assert record is not None
    assert (record.level, record.points) == (3, 600)
    assert (record.source, record.protected_until, record.partner) == (
        Source.MANUAL,
        NOW,
        "partner",
    )
    same = users.upgrade("u", 1500, 3)
    assert same is not None
    assert (same.record.source, same.rose) == (Source.MANUAL, False)
    higher = users.upgrade("u", 9000, 5)
    assert higher is not None
    assert (higher.record.source, higher.record.protected_until, higher.rose) == (
        Source.EARNED,
        0,
        True,
    )


def test_versions_go_on_rising_when_a_user_comes_back(users: UserState) -> None:
    before = upgraded(users, "u", 1500)
    assert users.delete("u") is True
    assert users.initialise("u", 0).version > before.version


def test_a_deletion_is_a_change_with_a_version_of_its_own(users: UserState, store: Store) -> None:
    before = upgraded(users, "u", 1500).version
    users.delete("u")
    assert store.get(bucket_of("u").versions) == str(before + 1).encode()


def test_the_index_follows_the_record(users: UserState, store: Store) -> None:
    users.initialise("u", 0)
    assert index_of(store, "u") == {"level:0": 0}
    users.upgrade("u", 1500, 3)
    assert index_of(store, "u") == {"level:3": 1500}
    users.set_by_hand("u", 1, "p", NOW)
    assert index_of(store, "u") == {"manual": NOW}
    users.upgrade("u", 1600, 3)
    assert index_of(store, "u") == {"level:3": 1600}
    users.delete("u")
    assert index_of(store, "u") == {}


def test_demotion_refits_to_the_points_and_not_one_step(users: UserState) -> None:
    upgraded(users, "u", 1500)
    users.upgrade("u", 100, 0)
    assert users.demote(floors(LADDER), NOW) == 1
    record = users.get("u")
    assert record is not None
    assert (record.level, record.points) == (0, 100)
    assert users.demote(floors(LADDER), NOW) == 0


def test_demotion_never_raises(users: UserState) -> None:
    upgraded(users, "u", 100)
    users.set_by_hand("u", 0, "p", NOW - 1)
    users.upgrade("u", 400, 0)
    easier = Ladder([Rule(1, 0, "a", 0, 10), Rule(2, 1, "b", 10, 800)])
    users.demote(floors(easier), NOW)
    record = users.get("u")
    assert record is not None
    assert (record.level, record.source) == (0, Source.EARNED)


@pytest.mark.parametrize(("protected_until", "level"), [(NOW - 1, 1), (NOW, 1), (NOW + 1, 3)])
def test_a_hand_set_level_falls_when_its_protection_is_past(
    users: UserState, protected_until: int, level: int
) -> None:
    upgraded(users, "u", 600)
    users.set_by_hand("u", 3, "p", protected_until)
    users.demote(floors(LADDER), NOW)
    record = users.get("u")
    assert record is not None
    assert record.level == level


def test_members_of_a_deleted_rule_keep_the_number(users: UserState) -> None:
    upgraded(users, "u", 1500)
    users.demote(floors(LADDER.without(4)), NOW)
    record = users.get("u")
    assert record is not None
    assert record.level == 3


def test_without_rules_nobody_is_demoted(users: UserState) -> None:
    upgraded(users, "u", 1500)
    users.upgrade("u", 0, 0)
    assert users.demote([], NOW) == 0


def test_more_than_one_batch_of_a_bucket_is_demoted(users: UserState) -> None:
    crowd = same_bucket(DEMOTION_BATCH + 5)
    for user in crowd:
        upgraded(users, user, 1500)
        users.upgrade(user, 0, 0)
    assert users.demote(floors(LADDER), NOW) == len(crowd)


def same_bucket(count: int) -> list[str]:
    bucket = bucket_of("u")
    candidates = (f"u{number}" for number in range(1_000_000))
    return [user for user in candidates if bucket_of(user) == bucket][:count]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ladder=ladders(max_point=10_000), high=st.integers(0, 12_000), low=st.integers(0, 12_000))
def test_the_script_refits_by_the_same_rule_as_the_ladder(
    users: UserState, ladder: Ladder, high: int, low: int
) -> None:
    users.delete("u")
    before = upgraded(users, "u", max(high, low), ladder)
    users.upgrade("u", min(high, low), ladder.level_for(min(high, low)))
    # Only the user's own bucket: the other 1,023 are empty.
    users._demote_bucket(Bucket(bucket_of("u").number), floors(ladder), NOW)
    record = users.get("u")
    assert record is not None
    fitted = ladder.level_for(min(high, low))
    assert fitted is not None
    assert record.level == min(before.level, fitted)


def test_concurrent_writers_never_share_a_version(users: UserState, store: Store) -> None:
    users.initialise("u", 0)

    def write(number: int) -> int:
        upgrade = users.upgrade("u", number, LADDER.level_for(number))
        assert upgrade is not None
        return upgrade.record.version

    with ThreadPoolExecutor(16) as threads:
        versions = list(threads.map(write, range(1, 801)))
    assert len(set(versions)) == len(versions)
    record = users.get("u")
    assert record is not None
    assert record.version == max(versions)
    assert index_of(store, "u") == {f"level:{record.level}": record.points}
