"""The scripts give the same answers as a model in plain Python, for any order of calls."""

from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.rules.ladder import Ladder
from services.rules.thresholds import LevelThresholds
from services.store.store import Store
from services.user_state.bulk import BulkUsers
from services.user_state.feed import Feed
from services.user_state.history import Change, State, changes_of
from services.user_state.record import Source
from services.user_state.rows import Row
from services.user_state.scripts import Retention
from services.user_state.state import Bill, Outcome, UserState
from tests.support.ladders import ladders
from tests.support.levels import (
    BUCKETS,
    LADDER,
    demotion_thresholds_of,
    index_of,
    same_bucket,
    thresholds_of,
)
from tests.support.store_server import empty

MAX_POINTS = 2**31 - 1
# Users who share a bucket, with its counter, indexes and feed, and one user of another bucket.
USERS = [*same_bucket(3), "elsewhere"]
BY_NAME = st.sampled_from(USERS)
POINTS = st.one_of(st.integers(0, 60), st.just(MAX_POINTS))


@dataclass(frozen=True)
class Member:
    """What a user has, by docs/design.md, "member: levels and rules"."""

    level: int
    points: int = 0
    manual: bool = False
    protected_until: int = 0


@dataclass
class Model:
    """The rules of docs/design.md, "member: levels and rules", without a store."""

    ladder: Ladder = LADDER
    now: int = 1_000_000
    members: dict[str, Member] = field(default_factory=dict)
    bills: dict[tuple[str, str], tuple[int, int, int]] = field(default_factory=dict)

    def fitted(self, points: int) -> int:
        level = self.ladder.level_for(points)
        assert level is not None
        return level

    def with_points(self, member: Member, points: int) -> Member:
        earned = self.fitted(points)
        return Member(earned, points) if earned > member.level else replace(member, points=points)

    def demoted(self, member: Member) -> Member:
        if member.manual and member.protected_until > self.now:
            return member
        return Member(min(member.level, self.fitted(member.points)), member.points)


def machine(store: Store) -> type[RuleBasedStateMachine]:  # noqa: C901
    class Levels(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            empty(store)
            self.model = Model()
            clock = lambda: float(self.model.now)  # noqa: E731
            retention = Retention(history=4, feed=100_000)
            self.users = UserState(store, BUCKETS, retention=retention, now=clock)
            self.bulk = BulkUsers(store, BUCKETS, retention=retention, now=clock)
            self.versions = dict.fromkeys(USERS, 0)

        @property
        def thresholds(self) -> LevelThresholds:
            return thresholds_of(self.model.ladder)

        @rule(ladder=ladders(max_point=60))
        def change_rules(self, ladder: Ladder) -> None:
            """Some of the levels that lose their rule have members."""
            self.model.ladder = ladder

        @precondition(lambda self: len(self.model.ladder.rules) > 1)
        @rule(number=st.integers(0, 7))
        def delete_rule(self, number: int) -> None:
            rules = self.model.ladder.rules
            self.model.ladder = self.model.ladder.without(rules[number % len(rules)].id)

        @rule(seconds=st.integers(1, 100))
        def time_passes(self, seconds: int) -> None:
            self.model.now += seconds

        @rule(user=BY_NAME)
        def initialise(self, user: str) -> None:
            self.users.initialise(user, self.thresholds.levels[0], 7)
            self.model.members.setdefault(user, Member(self.thresholds.levels[0].level))

        @rule(user=BY_NAME, points=POINTS)
        def set_points(self, user: str, points: int) -> None:
            before = self.model.members.get(user)
            upgrade = self.users.set_points(user, points, self.thresholds)
            if before is None:
                assert upgrade is None
                return
            assert upgrade is not None
            after = self.model.members[user] = self.model.with_points(before, points)
            assert upgrade.rose == (after.level > before.level)

        @rule(user=BY_NAME, delta=st.integers(-70, 70), bill=st.sampled_from("abc"))
        def add_points(self, user: str, delta: int, bill: str) -> None:
            addition = self.users.add_points(user, delta, Bill(bill), self.thresholds)
            before = self.model.members.get(user)
            answered = self.model.bills.get((user, bill))
            if answered is not None:
                assert addition.outcome is Outcome.REPEAT
                assert addition.added is not None
                assert addition.added[:3] == answered
            elif before is None:
                assert addition.outcome is Outcome.UNKNOWN
            elif not 0 <= before.points + delta <= MAX_POINTS:
                assert addition.outcome is Outcome.RANGE
            else:
                after = self.model.with_points(before, before.points + delta)
                assert addition.outcome is Outcome.DONE
                assert addition.added is not None
                assert addition.added[:3] == (delta, after.points, after.level)
                self.model.members[user] = after
                self.model.bills[user, bill] = (delta, after.points, after.level)

        @rule(user=BY_NAME, level=st.integers(0, 50), seconds=st.integers(-5, 50))
        def set_manually(self, user: str, level: int, seconds: int) -> None:
            until = self.model.now + seconds
            record = self.users.set_manually(user, level, "p", until)
            before = self.model.members.get(user)
            assert (record is None) == (before is None)
            if before is not None:
                self.model.members[user] = Member(level, before.points, True, until)

        @rule(user=BY_NAME)
        def delete(self, user: str) -> None:
            assert self.users.delete(user) == (self.model.members.pop(user, None) is not None)

        @rule(user=BY_NAME, points=POINTS, level=st.none() | st.integers(0, 50))
        def import_(self, user: str, points: int, level: int | None) -> None:
            self.bulk.write([Row(user, points, level)], self.thresholds)
            if level is None:
                level = self.model.fitted(points)
            self.model.members[user] = Member(level, points)

        @rule()
        def demote(self) -> None:
            """Afterwards no user is due; otherwise a run would never end."""
            buckets = {BUCKETS.of(user) for user in USERS}
            demotion_thresholds = demotion_thresholds_of(self.model.ladder, range(51))
            self.bulk.demote(buckets, self.thresholds, demotion_thresholds, "run")
            for user, member in self.model.members.items():
                self.model.members[user] = self.model.demoted(member)
            again = self.bulk.demote(buckets, self.thresholds, demotion_thresholds, "run")
            assert {each.now for each in again} == {0}

        @invariant()
        def same_as_the_model(self) -> None:
            for user in USERS:
                record, member = self.users.get(user), self.model.members.get(user)
                assert (record is None) == (member is None)
                if record is None or member is None:
                    continue
                manual = record.source is Source.MANUAL
                found = Member(record.level, record.points, manual, record.protected_until)
                assert found == member
                assert record.version >= self.versions[user]
                self.versions[user] = record.version

        @invariant()
        def the_index_is_the_record(self) -> None:
            for user in USERS:
                member = self.model.members.get(user)
                if member is None:
                    wanted = {}
                elif member.manual:
                    wanted = {
                        "manual": member.protected_until,
                        f"hand:{member.level}": member.points,
                    }
                else:
                    wanted = {f"level:{member.level}": member.points}
                assert index_of(store, user) == wanted

        def teardown(self) -> None:
            for user in USERS:
                self.replays(user)

        def replays(self, user: str) -> None:
            bucket = BUCKETS.of(user)
            changes = Feed(store, BUCKETS).changes(bucket, 0)
            assert [each.change.version for each in changes] == list(range(1, len(changes) + 1))
            own = [each.change for each in changes if each.user == user]
            assert_chain(own)
            record = self.users.get(user)
            if record is None:
                assert not own or own[-1].after is None
                return
            kept = changes_of(record)
            assert kept == list(reversed(own))[: len(kept)]
            assert own[-1].after == State(record.level, record.points, record.source)

    return Levels


def assert_chain(changes: list[Change]) -> None:
    """Each change begins where the one before it ended."""
    before, version = None, 0
    for change in changes:
        assert change.before == before
        assert change.previous_version == (version if before is not None else 0)
        before, version = change.after, change.version


def test_the_scripts_answer_as_the_model_does(store: Store) -> None:
    run_state_machine_as_test(
        machine(store),
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
