"""What validation says about wrong parameters, and how much of a request it reads."""

import time

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from levelgate.upbot.v1 import eligibility_pb2 as eligibility
from levelgate.upbot.v1 import upbot_checks_pb2 as upbot
from services.runtime.validation import Validator, violations
from tests.unit.messages import CHECKS, batch, preview, threshold, wide

BAD_INFO = eligibility.Condition(
    game_info=eligibility.GameInfoIs(xinyue_codes=[""] * 100, game_check_info_id=1)
)
MANY_CODES = eligibility.Condition(all=eligibility.ConditionList(conditions=[BAD_INFO] * 60))


@given(st.text(max_size=200))
def test_no_violation_repeats_what_was_sent(value: str) -> None:
    request = upbot.CheckUserXYLevelRequest(
        openid="secret-" + value.encode(errors="ignore").decode()
    )
    for violation in violations(CHECKS[type(request)], request)[0]:
        assert "secret-" not in violation.description


@pytest.mark.parametrize(
    ("message", "count"),
    [
        (batch(openids=[""] * 10_000), 10_000),
        (batch(openids=["\0" * 128] * 10_000), 10_000),
        (batch(min_versions=[eligibility.MinVersion()] * 1_000), 2_000),
        (batch(condition=MANY_CODES), 60 * 103),
        (preview(*[threshold(vip_level=-1)] * 100), 100),
        # A list that is too long is a single violation, and is not read.
        (preview(*[threshold(vip_level=-1)] * 1_000), 1),
        (batch(min_versions=[eligibility.MinVersion()] * 1_001), 1),
    ],
)
def test_a_refusal_counts_the_violations_and_lists_the_first_ones(
    message: Message, count: int
) -> None:
    failure = Validator(CHECKS).failure(message)
    assert failure is not None
    # The 8 that are listed, and at most 1,000 more.
    assert failure.metadata["violations"] == str(min(count, 1_008))
    assert (" or more" in failure.message) == (count >= 1_008)
    assert len(failure.violations) == min(count, 8)
    assert failure.message.startswith(failure.violations[0].field + ": ")
    assert (" more" in failure.message) == (count > 1)


@pytest.mark.parametrize(
    "message",
    [
        batch(condition=wide(1_000_000)),
        batch(openids=["\0" * 4_000_000]),
        preview(*[threshold()] * 500_000),
    ],
    ids=["conditions", "one text", "entries"],
)
def test_a_huge_request_is_not_read_to_its_end(message: Message) -> None:
    began = time.thread_time()
    assert Validator(CHECKS).failure(message) is not None
    assert time.thread_time() - began < 0.05
