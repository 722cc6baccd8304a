"""Stars and game facts in the store."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.store.store import Store
from services.user_facts.fact import (
    ANDROID,
    DEVICES,
    IOS,
    NO_FACT,
    GameFact,
    GameKey,
    Star,
)
from services.user_facts.fact_store import FactStore
from tests.support.levels import BUCKETS

KEY = GameKey("cfm", "1", "2", "0", "bbb", 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@pytest.fixture
def facts(store: Store) -> FactStore:
    return FactStore(store, BUCKETS)


def test_a_star_is_lit_on_one_device(facts: FactStore) -> None:
    facts.put_star("u", Star(1279, ANDROID), lit=True)
    assert facts.is_any_lit("u", [79, 1279], [ANDROID])
    assert facts.is_any_lit("u", [1279], DEVICES)
    assert not facts.is_any_lit("u", [1279], [IOS])
    assert not facts.is_any_lit("u", [79], DEVICES)
    assert not facts.is_any_lit("other", [1279], DEVICES)


def test_a_star_can_be_put_out(facts: FactStore) -> None:
    facts.put_star("u", Star(1, IOS), lit=True)
    facts.put_star("u", Star(1, IOS), lit=False)
    assert not facts.is_any_lit("u", [1], DEVICES)


@pytest.mark.parametrize(
    "fact", [GameFact("1", None), GameFact(None, -7), GameFact("x", 2**63 - 1), GameFact("", 0)]
)
def test_a_fact_comes_back_as_it_was_put(facts: FactStore, fact: GameFact) -> None:
    facts.put_game_fact("u", KEY, fact)
    assert facts.game_fact("u", KEY) == fact


@pytest.mark.stores("valkey")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    one=st.builds(GameKey, TEXT, TEXT, TEXT, TEXT, TEXT, st.integers(0, 9)),
    other=st.builds(GameKey, TEXT, TEXT, TEXT, TEXT, TEXT, st.integers(0, 9)),
)
def test_a_fact_is_found_by_all_parts_of_its_key(
    facts: FactStore, one: GameKey, other: GameKey
) -> None:
    facts.delete("u")
    facts.put_game_fact("u", one, GameFact("here"))
    assert facts.game_fact("u", other) == (GameFact("here") if one == other else NO_FACT)


def test_all_facts_of_a_user_are_read_and_deleted(facts: FactStore) -> None:
    other = KEY._replace(role_name='"],[\\')
    facts.put_star("u", Star(1, IOS), lit=True)
    facts.put_game_fact("u", KEY, GameFact("1"))
    facts.put_game_fact("u", other, GameFact(None, 2))
    stars, games, total = facts.all_of("u")
    assert total == 3
    assert stars == [Star(1, IOS)]
    assert dict(games) == {KEY: GameFact("1"), other: GameFact(None, 2)}
    facts.delete("u")
    facts.delete("u")
    assert facts.all_of("u") == ([], [], 0)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 300])
@pytest.mark.parametrize("length", [1, 500], ids=["short values", "long values"])
def test_some_facts_of_a_user_are_at_most_as_many_as_asked(
    facts: FactStore, count: int, length: int
) -> None:
    facts.put_star("u", Star(1, IOS), lit=True)
    written = {KEY._replace(game_check_info_id=number) for number in range(count)}
    for key in written:
        facts.put_game_fact("u", key, GameFact("x" * length, key.game_check_info_id))
    stars, games, total = facts.some_of("u", 100)
    assert total == count + 1
    assert len(stars) + len(games) == min(100, count + 1)
    assert stars in ([], [Star(1, IOS)])
    assert games == sorted(games, key=lambda each: each[0])
    keys = {key for key, _ in games}
    assert len(keys) == len(games)
    assert keys <= written
    assert all(fact == GameFact("x" * length, key.game_check_info_id) for key, fact in games)
    assert facts.some_of("nobody", 100) == ([], [], 0)
