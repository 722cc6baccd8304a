"""A batch of checks: what it answers for nobody known, and that it ends with its caller."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import grpc
import pytest

from levelgate.upbot.v1 import eligibility_pb2 as pb
from services.rules.rule_book import Book, RuleBook
from services.runtime.errors import Failure
from services.runtime.validation import Validator
from services.store.keys import Buckets
from services.store.reads import Found, Values
from services.upbot_checks.eligibility_servicer import Eligibility
from services.upbot_checks.snapshots import Snapshots


class NoRules(RuleBook):
    def __init__(self) -> None:
        pass

    def book(self) -> Book:
        return Book()


class Nothing:
    """Reads of an empty store, counted."""

    def __init__(self) -> None:
        self.users = 0

    def get(self, _key: str) -> bytes | None:
        return None

    def hmget(self, _key: str, fields: Sequence[str]) -> Values:
        return [None] * len(fields)

    def many(
        self, strings: Sequence[str], hashes: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> Found:
        self.users += len(strings)
        return Found([None] * len(strings), [[None] * len(fields) for _ in hashes])


class Context:
    def __init__(self, is_active: Callable[[], bool]) -> None:
        self.is_active = is_active


@pytest.fixture
def reads() -> Nothing:
    return Nothing()


@pytest.fixture
def eligibility(reads: Nothing) -> Eligibility:
    return Eligibility(Snapshots(reads, reads, Buckets()), NoRules(), Validator({}))


def batch(users: int, *, detail: bool = False) -> pb.EligibilityBatchCheckRequest:
    condition = pb.Condition(level_at_least=3)
    openids = [f"u{number}" for number in range(users)]
    return pb.EligibilityBatchCheckRequest(openids=openids, condition=condition, detail=detail)


@pytest.mark.parametrize("detail", [False, True])
def test_a_batch_ends_when_its_caller_leaves(
    eligibility: Eligibility, reads: Nothing, *, detail: bool
) -> None:
    context = Context(lambda: reads.users == 0)
    with pytest.raises(Failure) as raised:
        eligibility.BatchCheck(batch(10_000, detail=detail), cast(Any, context))
    assert raised.value.code is grpc.StatusCode.CANCELLED
    assert reads.users < 1_000


def test_replies_about_nobody_have_their_data(eligibility: Eligibility) -> None:
    context = cast(Any, Context(lambda: True))
    reply = eligibility.BatchCheck(batch(1), context)
    assert reply.HasField("data")
    assert not reply.data.results
    detailed = eligibility.BatchCheck(batch(2, detail=True), context)
    assert list(detailed.data.results) == [pb.EligibilityResult()] * 2
    request = pb.EligibilityCheckRequest(openid="u", condition=pb.Condition(level_at_least=3))
    checked = eligibility.Check(request, context)
    assert checked.HasField("data")
    assert checked.data == pb.EligibilityResult()
