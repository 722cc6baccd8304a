"""Tolerated spellings are counted by app, from the JSON request to the metric of the service."""

from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.running import RunningStack

METRIC = "levelgate_tolerated_spellings_total"
LEVEL, STARS = "/upbot/api/CheckUserXYLevel", "/upbot/api/CheckStarState"
Used = dict[tuple[str, str], float]


def counted(stack: RunningStack, service: str) -> Used:
    page = httpx.get(f"{stack.metrics[service]}/metrics", timeout=5).text
    return {
        (sample.labels["app"], sample.labels["spelling"]): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == METRIC
    }


def used_by(stack: RunningStack, service: str, method: str, url: str, **options: Any) -> Used:
    """What one call adds to the metric."""
    before = counted(stack, service)
    reply = httpx.request(method, f"{stack.gateway}{url}", timeout=5, **options)
    assert reply.status_code == 200, reply.text
    after = counted(stack, service)
    return {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key)}


# Service, method, path, options, and the spellings that are counted besides that of the token.
CALLS: list[tuple[str, str, str, dict[str, Any], set[str]]] = [
    ("upbot_checks", "POST", LEVEL, {"json": {"openid": "a", "levels": [1]}}, set()),
    ("upbot_checks", "POST", LEVEL, {"json": {"openid": "a", "level": [1]}}, {"level"}),
    ("upbot_checks", "POST", STARS, {"json": {"openid": "a", "gid": 1}}, {"gid"}),
    ("member_level", "GET", "/userlevel/3dfg4df", {}, set()),
    ("member_level", "POST", "/userlevel/show/3dfg4df?useId=3dfg4df", {}, {"useId"}),
    ("member_level", "POST", "/userlevel/show/3dfg4df", {"data": {"user_id": "x"}},
     {"form", "user_id"}),
    ("member_level", "POST", "/vipBiz/preview", {"json": {"rules": [{"vip_level": 1,
     "downPoint": 0, "upPoint": 5}]}}, {"json", "proto"}),
]  # fmt: skip


@pytest.mark.parametrize(("scheme", "sent"), [("", "raw_token"), ("Bearer ", "bearer_token")])
def test_a_call_is_counted_for_its_app(stack: RunningStack, scheme: str, sent: str) -> None:
    headers = {"authorization": scheme + stack.token_with("upbot:check member:read member:write")}
    apps = set()
    for service, method, url, options, spellings in CALLS:
        found = used_by(stack, service, method, url, headers=headers, **options)
        assert {word for _, word in found} == {sent, *spellings}, url
        assert set(found.values()) == {1}, url
        apps |= {app for app, _ in found}
    assert len(apps) == 1
    assert apps.isdisjoint({"none", "other"})


def test_a_call_without_a_token_is_counted_for_no_app(open_stack: RunningStack) -> None:
    found = used_by(open_stack, "member_level", "GET", "/show?useId=7")
    assert found == {("none", "no_token"): 1, ("none", "useId"): 1}
