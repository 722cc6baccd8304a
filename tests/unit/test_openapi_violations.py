"""Which requests the fuzzing of the gateway takes for violations of the OpenAPI document."""

from typing import Any

import pytest

from tests.gateway.violations import is_violation
from tests.unit.openapi import document, operation_of

CHECK = "UpbotChecks/CheckUserXYLevel"
POINTS = "MemberLevel/AddPoints"
GOOD = {"delta": 5, "billNo": "order-1"}


@pytest.mark.parametrize(
    ("rpc", "query", "body", "wanted"),
    [
        (CHECK, {}, {"openid": "a", "levels": [1]}, False),
        (CHECK, {}, {"openid": "a", "level": 1}, False),
        (CHECK, {}, {"openid": "a", "levels": ["1"]}, False),
        (CHECK, {}, {"openid": "a"}, True),
        (CHECK, {}, {"openid": "a", "levels": []}, True),
        (CHECK, {}, {"openid": "a", "levels": None}, True),
        (CHECK, {}, {"openid": 1, "levels": [1]}, True),
        (POINTS, {}, GOOD, False),
        (POINTS, GOOD, None, False),
        (POINTS, {"delta": "5"}, {"billNo": "order-1"}, False),
        (POINTS, {"delta": "x"}, {"billNo": "order-1"}, True),
        (POINTS, {}, {**GOOD, "expectedVersion": None}, False),
        (POINTS, {}, {**GOOD, "delta": 0}, True),
        (POINTS, {}, {**GOOD, "billNo": "b" * 65}, True),
        # The document does not say what happens to a parameter that is sent twice.
        (POINTS, {"delta": "x"}, GOOD, False),
    ],
)
def test_null_is_absence_and_a_text_may_be_a_number(
    rpc: str, query: Any, body: Any, wanted: bool
) -> None:
    operation = operation_of(rpc).fields
    path = {"userId": "u"} if rpc == POINTS else {}
    assert is_violation(document(), operation, query, body, path) == wanted
