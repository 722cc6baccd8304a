"""The modules of the console without a page: what they compute is what the services accept."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from levelgate.upbot.v1.eligibility_pb2 import EligibilityCheckRequest
from services.rules.ladder import Ladder, Rule
from services.upbot_checks.validation import CHECKS
from tests.console.manager.pages import opened
from tests.support.running import RunningStack

MOST = 2**31 - 1
POINTS = st.one_of(st.integers(-1, 12), st.sampled_from([MOST - 1, MOST, MOST + 1]))
RULES = st.lists(st.tuples(st.integers(-1, 5), POINTS, POINTS), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def page(browser: Browser, stack: RunningStack) -> Any:
    with opened(browser, stack) as console:
        yield console.page


def _call(page: Page, module: str, function: str, *values: Any) -> Any:
    return page.evaluate(
        "async ([module, name, values]) => (await import(`/console/${module}`))[name](...values)",
        [module, function, list(values)],
    )


def _accepts(rules: list[tuple[int, int, int]]) -> bool:
    """Whether a ladder can be built from the rules, one after the other."""
    ladder = Ladder()
    for number, (level, low, high) in enumerate(rules):
        rule = Rule(number, level, "name", low, high)
        if not (0 <= level <= MOST and high <= MOST) or ladder.conflict(rule):
            return False
        ladder = ladder.put(rule)
    return True


def test_the_form_finds_problems_exactly_where_the_ladder_has_conflicts(page: Page) -> None:
    batch: list[list[tuple[int, int, int]]] = []

    @settings(max_examples=600, database=None, derandomize=True)
    @given(RULES)
    def collect(rules: list[tuple[int, int, int]]) -> None:
        batch.append(rules)

    collect()
    drafts = [
        [{"level": level, "name": "name", "from": low, "to": high} for level, low, high in rules]
        for rules in batch
    ]
    # In one call, because each takes a round trip to the browser.
    counts = page.evaluate(
        """async (drafts) => {
          const { problems } = await import("/console/ladder.js");
          return drafts.map((draft) => problems(draft).length);
        }""",
        drafts,
    )
    wrong = [
        (rules, count)
        for rules, count in zip(batch, counts, strict=True)
        if (count == 0) != _accepts(rules)
    ]
    assert wrong == []
    assert 20 < sum(count == 0 for count in counts) < len(counts) - 20


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([(0, 0, 10)], [(0, 10, True), (10, 15, False)]),
        (
            [(0, 5, 10), (2, 20, 30)],
            [(0, 5, False), (5, 10, True), (10, 20, False), (20, 30, True), (30, 45, False)],
        ),
        ([(0, 0, MOST)], [(0, MOST, True)]),
    ],
)
def test_segments_cover_the_points_from_zero(
    page: Page, rules: list[tuple[int, int, int]], expected: list[tuple[int, int, bool]]
) -> None:
    draft = [{"level": level, "from": low, "to": high} for level, low, high in rules]
    found = _call(page, "ladder.js", "segments", draft)
    assert [(part["from"], part["to"], part["rule"] is not None) for part in found] == expected


@pytest.mark.parametrize(
    ("before", "after", "levels"),
    [
        ([], [], []),
        ([{"level": 1, "name": "a"}], [{"level": 1, "name": "a"}], []),
        ([{"level": 1, "name": "a"}], [{"level": 1, "name": "b"}], [1]),
        ([{"level": 1, "icon": ""}], [{"level": 1, "icon": "", "hasIcon": True}], []),
        ([{"level": 2}, {"level": 1}], [{"level": 3}], [1, 2, 3]),
    ],
)
def test_differences_name_each_level_that_differs(
    page: Page, before: list[Any], after: list[Any], levels: list[int]
) -> None:
    assert [
        each["level"] for each in _call(page, "ladder.js", "differences", before, after)
    ] == levels


@pytest.mark.parametrize(
    ("icon", "has_icon", "had_icon", "sent"),
    [
        ("", False, False, None),  # never had one
        ("", True, True, ""),  # removed
        ("", False, True, ""),  # a new rule for a level that has one: absent would keep it
        ("a", False, False, "a"),
    ],
)
def test_an_icon_is_sent_only_where_it_says_something(
    page: Page, icon: str, has_icon: bool, had_icon: bool, sent: str | None
) -> None:
    rule = {"level": 1, "name": "a", "from": 0, "to": 1, "icon": icon, "hasIcon": has_icon}
    assert _call(page, "ladder.js", "toContract", rule, had_icon).get("picUrl") == sent


def _part(kind: str, **values: Any) -> dict[str, Any]:
    return {"kind": kind, "isNegated": False, **values}


FACT = {"game_code": "cfm", "area_id": "1", "plat_id": "2", "partition_id": "", "role_name": "b"}
PARTS = [
    (_part("level_at_least", level="3"), {"level_at_least": 3}),
    (_part("level_in", levels="1, 2，3"), {"level_in": {"levels": [1, 2, 3]}}),
    (
        _part("points", comparison="5", value="10", upper=""),
        {"points": {"compare_type": 5, "value": "10"}},
    ),
    (
        _part("points", comparison="6", value="1", upper="2"),
        {"points": {"compare_type": 6, "value": "1", "rvalue": "2"}},
    ),
    (_part("star", gids="7 8", device=""), {"star": {"gids": [7, 8]}}),
    (_part("star", gids="7", device="2"), {"star": {"gids": [7], "device": 2}}),
    (
        _part(
            "game_info",
            **FACT,
            game_check_info_id="5",
            codes="x,y",
            comparison="",
            value="",
            upper="",
        ),
        {
            "game_info": {
                "game_code": "cfm",
                "area_id": "1",
                "plat_id": "2",
                "role_name": "b",
                "game_check_info_id": 5,
                "xinyue_codes": ["x", "y"],
            }
        },
    ),
]
GROUP = _part("group", isAny=True, parts=[part for part, _ in PARTS])


@pytest.mark.parametrize(
    ("part", "expected"),
    [*PARTS, (GROUP, {"any": {"conditions": [contract for _, contract in PARTS]}})],
    ids=lambda value: str(value.get("kind", "")) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("is_negated", [False, True])
def test_a_composed_condition_is_one_that_the_service_accepts(
    page: Page, part: dict[str, Any], expected: dict[str, Any], is_negated: bool
) -> None:
    made = _call(page, "condition.js", "toContract", {**part, "isNegated": is_negated})
    assert made == ({"not": expected} if is_negated else expected)
    request = ParseDict({"openid": "user", "condition": made}, EligibilityCheckRequest())
    found = [each for check in CHECKS[EligibilityCheckRequest] for each in check(request)]
    assert found == []
