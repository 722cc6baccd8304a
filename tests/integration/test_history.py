"""The history and the feed: what each change was, when, who asked for it and why."""

import struct
from collections.abc import Iterator
from itertools import pairwise

import pytest

from services.store.scripts import Script
from services.store.store import Store
from services.user_state import scripts
from services.user_state.bulk import BulkUsers
from services.user_state.feed import Feed, FeedAheadError, FeedGapError
from services.user_state.history import Change, Kind, State, changes_of
from services.user_state.record import Record, Source, unpack
from services.user_state.rows import Row
from services.user_state.scripts import Retention
from services.user_state.state import Bill, UserState
from tests.support.levels import (
    BUCKETS,
    DEMOTION_THRESHOLDS,
    NOW,
    THRESHOLDS,
    found,
    same_bucket,
    started,
)

BUCKET = BUCKETS.of("u")


def earned(level: int, points: int) -> State:
    return State(level, points, Source.EARNED)


def change(
    number: int, kind: Kind, before: State | None, after: State | None, **why: object
) -> Change:
    who: dict[str, object] = {"app": "app", "partner": "", "rule": 0, "rule_version": 0, **why}
    return Change(number, NOW * 1_000, kind, before, after, number - 1, **who)  # type: ignore[arg-type]


def test_every_transition_records_what_it_did_which_app_asked_and_why(
    users: UserState, bulk: BulkUsers
) -> None:
    users.initialise("u", THRESHOLDS.levels[0], 7, "app")
    users.set_points("u", 600, THRESHOLDS, "app")
    users.add_points("u", 900, Bill("b", "shop"), THRESHOLDS)
    users.set_points("u", 100, THRESHOLDS, "app")
    bulk.demote([BUCKET], THRESHOLDS, DEMOTION_THRESHOLDS, "run", "app")
    users.set_manually("u", 3, "伙伴", NOW + 1, "app")
    bulk.write([Row("u", 5)], THRESHOLDS, "app")
    assert list(reversed(changes_of(found(users, "u")))) == [
        change(1, Kind.INITIALISED, None, earned(0, 0), rule=1, rule_version=7),
        change(2, Kind.POINTS_SET, earned(0, 0), earned(1, 600), rule=2, rule_version=7),
        change(
            3,
            Kind.POINTS_ADDED,
            earned(1, 600),
            earned(3, 1500),
            app="shop",
            rule=4,
            rule_version=7,
        ),
        change(4, Kind.POINTS_SET, earned(3, 1500), earned(3, 100)),
        change(5, Kind.DEMOTED, earned(3, 100), earned(0, 100), rule=1, rule_version=7),
        change(6, Kind.SET_MANUALLY, earned(0, 100), State(3, 100, Source.MANUAL), partner="伙伴"),
        change(
            7, Kind.IMPORTED, State(3, 100, Source.MANUAL), earned(0, 5), rule=1, rule_version=7
        ),
    ]


def test_the_feed_has_the_same_changes_and_the_deletion(users: UserState, store: Store) -> None:
    started(users, "u", 600)
    kept = list(reversed(changes_of(found(users, "u"))))
    users.delete("u", "app")
    changes = Feed(store, BUCKETS).changes(BUCKET, 0)
    assert {each.user for each in changes} == {"u"}
    assert [each.change for each in changes[:-1]] == kept
    assert changes[-1].change == change(3, Kind.DELETED, earned(1, 600), None)


def test_the_feed_continues_after_a_version(users: UserState, store: Store) -> None:
    started(users, "u", 600)
    feed = Feed(store, BUCKETS)
    assert [each.change.version for each in feed.changes(BUCKET, 1)] == [2]
    assert feed.changes(BUCKET, 2) == []
    assert feed.versions()[BUCKET.number] == feed.version(BUCKET) == 2


def test_trimmed_changes_are_detected(store: Store) -> None:
    users = UserState(store, BUCKETS, retention=Retention(feed=16, feed_seconds=0))
    started(users, "u")
    for points in range(1, 400):
        users.set_points("u", points, THRESHOLDS)
    feed = Feed(store, BUCKETS)
    with pytest.raises(FeedGapError):
        feed.changes(BUCKET, 0)
    assert len(feed.changes(BUCKET, 390)) == 10


def kept_in_feed(store: Store) -> int:
    script = Script(store, "return redis.call('XLEN', KEYS[1])", writes=False)
    return int(script([BUCKET.feed]))


def test_the_feed_retains_recent_changes_and_the_last_few_and_shrinks_in_steps(
    store: Store,
) -> None:
    now = float(NOW)
    users = UserState(store, BUCKETS, Retention(feed=16, feed_seconds=60), now=lambda: now)
    started(users, "u")
    for points in range(1, 500):
        users.set_points("u", points, THRESHOLDS)
    now += 60
    users.set_points("u", 500, THRESHOLDS)
    assert kept_in_feed(store) == 501
    now += 0.001
    lengths = [501]
    for points in range(501, 520):
        users.set_points("u", points, THRESHOLDS)
        lengths.append(kept_in_feed(store))
    removed = [before + 1 - after for before, after in pairwise(lengths)]
    assert max(removed) == 64
    # The change of a minute ago and the new ones are not older than a minute.
    assert removed[:7] == [64] * 7
    assert lengths[-1] == 501 + 19 - 7 * 64
    now += 3_600
    for points in range(520, 720):
        users.set_points("u", points, THRESHOLDS)
        now += 61
        assert kept_in_feed(store) >= 16


def test_the_feed_of_a_busy_bucket_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts, "FEED_MOST", 100)
    users = UserState(store, BUCKETS, Retention(feed=16, feed_seconds=60), now=lambda: NOW)
    started(users, "u")
    lengths = set()
    for points in range(1, 400):
        users.set_points("u", points, THRESHOLDS)
        lengths.add(kept_in_feed(store))
    assert max(lengths) == 100
    # An import adds more with each call.
    bulk = BulkUsers(store, BUCKETS, Retention(feed=16, feed_seconds=60), now=lambda: NOW)
    bulk.write([Row(user, 5) for user in same_bucket(640)], THRESHOLDS)
    assert kept_in_feed(store) <= 100


def test_a_version_that_was_never_given_is_detected(users: UserState, store: Store) -> None:
    started(users, "u")
    with pytest.raises(FeedAheadError):
        Feed(store, BUCKETS).changes(BUCKET, 99)


def test_an_import_with_a_higher_version_does_not_look_like_trimmed_changes(
    users: UserState, bulk: BulkUsers, store: Store
) -> None:
    started(users, "u", 600)
    other = same_bucket(1)[0]
    bulk.write([Row(other, 5, version=2**40)], THRESHOLDS)
    users.set_points("u", 601, THRESHOLDS)
    versions = [each.change.version for each in Feed(store, BUCKETS).changes(BUCKET, 2)]
    assert versions == [2**40 + 1, 2**40 + 2]


def old_records() -> Iterator[tuple[bytes, Record]]:
    layout = struct.Struct(">BBIIIQ")
    yield layout.pack(1, 0, 3, 1500, 0, 9), Record(3, 1500, Source.EARNED, 0, 9, "")
    manual = Record(1, 20, Source.MANUAL, NOW + 5, 8, "伙伴")
    yield layout.pack(1, 1, 1, 20, NOW + 5, 8) + "伙伴".encode(), manual


@pytest.mark.parametrize(("packed", "record"), list(old_records()))
def test_a_record_of_the_earlier_format_can_be_read_and_changed(
    users: UserState, store: Store, packed: bytes, record: Record
) -> None:
    assert unpack(packed) == record
    store.set(BUCKET.record("u"), packed)
    store.set(BUCKET.versions, record.version)
    assert users.get("u") == record
    changed = users.add_points("u", 1, Bill("b", "app"), THRESHOLDS)
    assert changed.added is not None
    assert changed.added.points == record.points + 1
    only = changes_of(found(users, "u"))[0]
    assert (only.previous_version, only.before) == (
        record.version,
        State(record.level, record.points, record.source),
    )
