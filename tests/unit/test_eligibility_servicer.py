"""Batches of checks: their limits, their replies about unknown users, and callers that leave."""

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
from services.upbot_checks.eligibility.servicer import Eligibility
from services.upbot_checks.eligibility.snapshots import Snapshots


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
    no_audience = cast(Any, None)
    return Eligibility(Snapshots(reads, reads, Buckets()), NoRules(), Validator({}), no_audience)


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


def test_replies_about_unknown_users_have_data(eligibility: Eligibility) -> None:
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


def facts(count: int, text: str = "x") -> pb.Condition:
    infos = [
        pb.GameInfoIs(
            game_code=text, area_id=text, plat_id=text, game_check_info_id=n, xinyue_codes=[text]
        )
        for n in range(count)
    ]
    parts = [pb.Condition(game_info=info) for info in infos]
    return pb.Condition(any=pb.ConditionList(conditions=parts))


STARS = pb.Condition(star=pb.StarLit(gids=range(100)))
WIDE = pb.Condition(any=pb.ConditionList(conditions=[facts(50, "级" * 128), STARS]))
HUGE = facts(63)
for part in HUGE.any.conditions:
    part.game_info.xinyue_codes[:] = ["🎮" * 128] * 99


@pytest.mark.parametrize(
    ("condition", "explain", "field", "most"),
    [
        # Limited by the values that are read: the record and the facts of each user.
        (facts(50), False, "openids", 200_000 // 51),
        (STARS, False, "openids", 200_000 // 201),
        # Limited by the size of the reply.
        (facts(1), True, "openids", 1_000),
        (facts(50), True, "openids", 65),
        (WIDE, True, "openids", 12),
        (HUGE, True, "condition", 0),
    ],
)
def test_a_batch_too_large_is_refused_before_anything_is_read(
    eligibility: Eligibility,
    reads: Nothing,
    condition: pb.Condition,
    field: str,
    most: int,
    *,
    explain: bool,
) -> None:
    context = cast(Any, Context(lambda: True))

    def check(users: int) -> pb.EligibilityBatchCheckResponse:
        openids = ["u" * 128] * users
        request = pb.EligibilityBatchCheckRequest(
            openids=openids, condition=condition, explain=explain
        )
        return eligibility.BatchCheck(request, context)

    if most:
        reply = check(most)
        assert reply.ByteSize() <= 2_000_000
        reads.users = 0
    if most == 1_000:
        return  # Validation refuses more.
    with pytest.raises(Failure) as raised:
        check(most + 1)
    assert raised.value.code is grpc.StatusCode.INVALID_ARGUMENT
    (violation,) = raised.value.violations
    assert violation.field == violation.json_field == field
    accepted = f"at most {most} entries" if most else "at most 2000000 bytes"
    assert accepted in violation.description
    assert reads.users == 0


def test_a_check_whose_explanation_could_not_be_delivered_is_refused(
    eligibility: Eligibility,
) -> None:
    request = pb.EligibilityCheckRequest(openid="u", condition=HUGE, explain=True)
    with pytest.raises(Failure, match="condition: must lead to an explanation of at most"):
        eligibility.Check(request, cast(Any, Context(lambda: True)))


def test_openids_that_would_not_fit_into_a_reply_are_refused(eligibility: Eligibility) -> None:
    openids = ["🎮" * 128] * 8_000
    request = pb.EligibilityBatchCheckRequest(
        openids=openids, condition=pb.Condition(level_at_least=1)
    )
    with pytest.raises(Failure, match="openids: must lead to a reply of at most 4000000 bytes"):
        eligibility.BatchCheck(request, cast(Any, Context(lambda: True)))
