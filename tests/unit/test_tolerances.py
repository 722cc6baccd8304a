"""Counting who uses which tolerated spelling."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.runtime.auth import WITHOUT_TOKEN
from services.runtime.call import ANYBODY, Call, Caller
from services.runtime.tolerances import SPELLINGS, Tolerances

ROOT = Path(__file__).resolve().parents[2]
METRIC = "levelgate_tolerated_spellings_total"
APP = Caller("shop-app")
MEMBER = Caller(None, "7")


def used(*calls: tuple[Caller, list[str], str]) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    tolerances = Tolerances(registry)
    for caller, authorization, spellings in calls:
        tolerances.admitted(caller, Call("/a.B/C", "", authorization, None, spellings))
    return {
        (sample.labels["app"], sample.labels["spelling"]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == METRIC
    }


CALLS = [
    (APP, ["token"], "", {("shop-app", "raw_token")}),
    (APP, [" token "], "", {("shop-app", "raw_token")}),
    (APP, ["Bearer token"], "", {("shop-app", "bearer_token")}),
    (MEMBER, ["token"], "", {("none", "raw_token")}),
    (WITHOUT_TOKEN, [], "", {("none", "no_token")}),
    (ANYBODY, [], "", set()),
    (ANYBODY, [], "json", {("none", "json")}),
    (
        APP,
        ["Bearer token"],
        "useId,form",
        {("shop-app", "bearer_token"), ("shop-app", "useId"), ("shop-app", "form")},
    ),
    (APP, ["token"], "gid,gid", {("shop-app", "raw_token"), ("shop-app", "gid")}),
    # Sent to the service by somebody else than the gateway.
    (APP, ["token"], "secret,,raw_token", {("shop-app", "raw_token")}),
    (APP, ["token"], "gid," + "x" * 200, {("shop-app", "raw_token")}),
]


@pytest.mark.parametrize(("caller", "authorization", "spellings", "wanted"), CALLS)
def test_a_call_counts_once_for_each_of_its_spellings(
    caller: Caller, authorization: list[str], spellings: str, wanted: set[tuple[str, str]]
) -> None:
    assert used((caller, authorization, spellings)) == dict.fromkeys(wanted, 1)


def test_every_call_is_counted_once_when_many_are_counted_together() -> None:
    found = used(*[(APP, ["token"], "gid")] * 300, *[(APP, ["Bearer token"], "")] * 300)
    assert found == {
        ("shop-app", "raw_token"): 300,
        ("shop-app", "gid"): 300,
        ("shop-app", "bearer_token"): 300,
    }


def test_there_are_at_most_1000_apps_and_one_for_all_others() -> None:
    found = used(*[(Caller(f"app-{number}"), ["token"], "") for number in range(1_100)])
    assert len(found) == 1_001
    assert found["other", "raw_token"] == 100


def test_the_page_and_the_gateway_have_the_same_words() -> None:
    page = (ROOT / "docs" / "tolerances.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == SPELLINGS
    script = (ROOT / "gateway" / "lua" / "spellings.lua").read_text()
    noted = set(re.findall(r' = "(\w+)"', script)) | set(re.findall(r'or "(\w+)"', script))
    assert noted == SPELLINGS - {"raw_token", "bearer_token", "no_token"}
