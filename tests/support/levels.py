"""A ladder and its steps for tests of the user state, and readers of the stored data."""

from collections.abc import Iterable, Mapping

from services.rules.ladder import Ladder, Rule
from services.rules.rule_book import Book
from services.rules.thresholds import Fall, Step, Steps
from services.store.keys import Buckets
from services.store.store import Store
from services.user_state.record import Record
from services.user_state.state import UserState

NOW = 1_000_000
LADDER = Ladder([Rule(1, 0, "a", 0, 500), Rule(2, 1, "b", 500, 800), Rule(4, 3, "d", 1200, 2000)])
BUCKETS = Buckets()


def falls_of(ladder: Ladder, levels: Iterable[int] = ()) -> list[Fall]:
    """The falls of members at the levels that have a rule, and at these levels."""
    had_rule = {rule.level for rule in ladder.rules}
    return Book(ladder, levels=frozenset({*had_rule, *levels})).falls


def steps_of(ladder: Ladder, version: int = 7) -> Steps:
    return Steps(version, [Step(rule.level, rule.down_point, rule.id) for rule in ladder.rules])


STEPS = steps_of(LADDER)
FALLS = falls_of(LADDER)


def started(users: UserState, user: str, points: int = 0, steps: Steps = STEPS) -> Record:
    """Creates a user with these points and the level that they earn."""
    users.initialise(user, steps.steps[0], steps.version, "app")
    upgrade = users.set_points(user, points, steps, "app")
    assert upgrade is not None
    return upgrade.record


def found(users: UserState, user: str) -> Record:
    record = users.get(user)
    assert record is not None
    return record


def same_bucket(count: int, user: str = "u") -> list[str]:
    """Users that share a bucket with this one."""
    bucket = BUCKETS.of(user)
    candidates = (f"u{number}" for number in range(10_000_000))
    crowd = []
    for candidate in candidates:
        if BUCKETS.of(candidate) == bucket:
            crowd.append(candidate)
            if len(crowd) == count:
                return crowd
    raise AssertionError("too few candidates")


def index_of(store: Store, user: str) -> Mapping[str, int]:
    """Every index entry of the user: the last part of the key, and the score."""
    bucket = BUCKETS.of(user)
    entries = {}
    script = store.register_script("return redis.call('ZSCORE', KEYS[1], ARGV[1])")
    for key in store.scan_iter():
        name = key.decode()
        is_index = name.startswith((bucket.level_prefix, bucket.hand_prefix))
        if is_index or name == bucket.manual:
            score = script([name], [user])
            if score is not None:
                entries[name.removeprefix(bucket.prefix)] = int(float(score))
    return entries
