"""A ladder and its thresholds for tests of the state, and what they look up in the store."""

from collections.abc import Iterable, Mapping

from services.rules.ladder import Ladder, Rule
from services.rules.rule_book import Book
from services.rules.thresholds import DemotionThreshold, LevelThreshold, LevelThresholds
from services.store.keys import Buckets
from services.store.scripts import Script
from services.store.store import Store
from services.user_state.record import Record
from services.user_state.state import UserState

NOW = 1_000_000
LADDER = Ladder([Rule(1, 0, "a", 0, 500), Rule(2, 1, "b", 500, 800), Rule(4, 3, "d", 1200, 2000)])
BUCKETS = Buckets()


def demotion_thresholds_of(ladder: Ladder, levels: Iterable[int] = ()) -> list[DemotionThreshold]:
    """What a demotion takes from members of the levels that have a rule, and of these levels."""
    had_rule = {rule.level for rule in ladder.rules}
    return Book(ladder, levels=frozenset({*had_rule, *levels})).demotion_thresholds


def thresholds_of(ladder: Ladder, version: int = 7) -> LevelThresholds:
    return LevelThresholds(
        version, [LevelThreshold(rule.level, rule.down_point, rule.id) for rule in ladder.rules]
    )


THRESHOLDS = thresholds_of(LADDER)
DEMOTION_THRESHOLDS = demotion_thresholds_of(LADDER)


def started(
    users: UserState, user: str, points: int = 0, thresholds: LevelThresholds = THRESHOLDS
) -> Record:
    """A user with these points and the level that they earn."""
    users.initialise(user, thresholds.levels[0], thresholds.version, "app")
    upgrade = users.set_points(user, points, thresholds, "app")
    assert upgrade is not None
    return upgrade.record


def found(users: UserState, user: str) -> Record:
    record = users.get(user)
    assert record is not None
    return record


def same_bucket(count: int, user: str = "u") -> list[str]:
    """Users who share a bucket with this one."""
    bucket = BUCKETS.of(user)
    candidates = (f"u{number}" for number in range(10_000_000))
    users = []
    for candidate in candidates:
        if BUCKETS.of(candidate) == bucket:
            users.append(candidate)
            if len(users) == count:
                return users
    raise AssertionError("too few candidates")


def go_on() -> None:
    """For work that asks whether to continue: the caller is still connected."""


_SCORES = """
local scores = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  if redis.call('TYPE', key).ok == 'zset' then
    local score = redis.call('ZSCORE', key, ARGV[2])
    if score then
      table.insert(scores, key)
      table.insert(scores, score)
    end
  end
end
return scores
"""


def index_of(store: Store, user: str) -> Mapping[str, int]:
    """Every index entry of the user: the key's last part, and the score."""
    bucket = BUCKETS.of(user)
    # The key only selects the node of a cluster. The script finds all keys of the bucket there.
    script = Script(store, _SCORES, writes=False)
    scores = iter(script([bucket.protections], [bucket.prefix, user]))
    return {
        key.decode().removeprefix(bucket.prefix): int(float(score))
        for key, score in zip(scores, scores, strict=True)
    }
