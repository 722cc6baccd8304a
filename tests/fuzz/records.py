"""Runs scripts and readers against records that no script wrote, in a separate store."""

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import count

import redis
from pydantic import SecretStr

from services.rules.rule_book import RuleBook
from services.runtime.errors import CallEndedError
from services.store import deadline
from services.store.client import connect
from services.store.keys import Bucket, Buckets
from services.store.settings import StoreSettings
from services.user_state import history
from services.user_state.bulk import BulkUsers
from services.user_state.indexes import Question, Range, Span
from services.user_state.record import Record, UnknownFormatError
from services.user_state.rows import Row
from services.user_state.scripts import Retention, Scripts
from services.user_state.state import Bill, UserState
from tests.fuzz import statuses
from tests.fuzz.inputs import PipelineInput, RecordInput, secret
from tests.fuzz.messages import written
from tests.fuzz.pipelines import Pipelines, parts_of
from tests.fuzz.place import Place, make_secrets

_SLOW_SECONDS = 5.0
# Clean failures: the errors of readers of bytes, and of a script in the store.
_CLEAN = (redis.ResponseError, UnknownFormatError, struct.error, ValueError, IndexError)
_CALLS = {
    "show": ("/levelgate.member.v1.MemberLevel/ShowUser", 1),
    "check": ("/levelgate.upbot.v1.UpbotChecks/CheckUserXYLevel", 1),
    "history": ("/levelgate.member.v1.MemberHistory/ListHistory", 1),
}


class Records:
    """A user with a strange record, and a neighbour in its bucket that must not change."""

    def __init__(self, place: Place) -> None:
        settings = StoreSettings(url=SecretStr(place.record_store), timeout_seconds=5)
        self._store, self._buckets = connect(settings), Buckets()
        self._scripts = Scripts(self._store, Retention())
        self._users = UserState(self._store, self._buckets)
        self._bulk = BulkUsers(self._store, self._buckets)
        self._thresholds = RuleBook(self._store).book().thresholds
        self._pipelines = Pipelines(place.record_store, make_secrets(self._store))
        self._raw = redis.Redis.from_url(place.record_store)
        self._bills = 0

    def wrong_with(self, inputs: Sequence[RecordInput]) -> Iterator[str | None]:
        return map(self._wrong_or_silent, inputs)

    def _wrong_or_silent(self, given: RecordInput) -> str | None:
        try:
            # A call through the pipeline leaves its deadline set for the thread.
            with deadline.within(None):
                return self._wrong(given)
        except redis.RedisError as error:
            return f"the store does not serve: {type(error).__name__}"

    def _wrong(self, given: RecordInput) -> str | None:
        user, bucket = given.user, self._buckets.of(given.user)
        neighbour = self._neighbour(bucket)
        before = self._kept(bucket, neighbour)
        self._put(given, bucket, user)
        why = None
        for step in given.steps:
            started = time.monotonic()
            why = why or self._step(step, given, bucket, user)
            if (seconds := time.monotonic() - started) > _SLOW_SECONDS:
                why = f"{step} is slow: {seconds:.0f} s"
        if self._kept(bucket, neighbour) != before:
            why = f"the neighbour's record or index changed: {given.steps}"
        self._raw.delete(*self._raw.scan_iter(f"{bucket.prefix}*", 1_000))
        return why

    def _neighbour(self, bucket: Bucket) -> str:
        name = _neighbour_in(bucket)
        self._users.initialise(name, self._thresholds.levels[0], self._thresholds.version)
        self._users.set_points(name, 1_500, self._thresholds)
        return name

    def _kept(self, bucket: Bucket, user: str) -> tuple[object, object]:
        index = f"{bucket.level_prefix}3"
        return self._store.get(bucket.record(user)), self._raw.zscore(index, user)

    def _put(self, given: RecordInput, bucket: Bucket, user: str) -> None:
        self._store.set(bucket.record(user), given.record)
        if given.is_indexed:
            self._raw.zadd(f"{bucket.level_prefix}{given.number % 7}", {user: given.number % 4_000})

    def _step(self, step: str, given: RecordInput, bucket: Bucket, user: str) -> str | None:
        if step in _CALLS:
            return self._call(*_CALLS[step], user)
        try:
            self._steps_by_name(given, bucket, user)[step]()
        except _CLEAN:
            return None
        except Exception as error:
            return f"{step}: {type(error).__name__}"
        return None

    def _steps_by_name(
        self, given: RecordInput, bucket: Bucket, user: str
    ) -> dict[str, Callable[[], object]]:
        thresholds, number, users = self._thresholds, given.number, self._users
        spans = [Span(False, number % 7, 0, 2**31), Span(True, number % 7, 0, 2**31)]
        question = Question([0, number % 1_000, 2_000], [Range(False, number % 7, 0, 2)])
        row = Row(user, number, None, version=number)
        records = {
            **self._scripts.shared(bucket, ""),
            "last_version": number,
            "users_and_records": [user, given.record],
        }
        demotion_thresholds = RuleBook(self._store).book().demotion_thresholds
        self._bills += 1
        return {
            "get": lambda: _read(users.get(user)),
            "initialise": lambda: users.initialise(user, thresholds.levels[0], thresholds.version),
            "set_points": lambda: users.set_points(user, number, thresholds),
            "add_points": lambda: users.add_points(
                user, number - 2**30, Bill(str(self._bills)), thresholds
            ),
            "set_manually": lambda: users.set_manually(user, 3, "p", number),
            "delete": lambda: users.delete(user),
            "demote": lambda: self._bulk.demote([bucket], thresholds, demotion_thresholds, "run"),
            "import": lambda: self._bulk.write([row], thresholds),
            "page": lambda: self._bulk.indexes.due([(bucket, spans)], 100),
            "count": lambda: list(self._bulk.indexes.count(question, lambda: None, [bucket])),
            "restore": lambda: self._scripts.restore(records),
            "export": lambda: list(self._bulk.users([bucket], range(7))),
        }

    def _call(self, rpc: str, field: int, user: str) -> str | None:
        """An unreadable record is an internal error whose message reveals nothing."""
        call = PipelineInput(rpc, secret("all"), (written([(field, 2, user.encode())]),), 5.0)
        error = self._pipelines.call(call)
        if error is None:
            return None
        if not isinstance(error, CallEndedError):
            return f"{type(error).__name__} left the pipeline"
        return statuses.wrong_fault(*parts_of(error))


@cache
def _neighbour_in(bucket: Bucket) -> str:
    names = (f"n{number}" for number in count())
    return next(name for name in names if Buckets().of(name) == bucket)


def _read(record: Record | None) -> object:
    return record and history.changes_of(record)
