"""A valid token is remembered for less than a second, so a revocation takes effect by then."""

from services.access import known_tokens
from services.access.known_tokens import KnownTokens
from services.access.tokens import Grant

GRANT = Grant("app", frozenset({"upbot:check"}), None)


class Store:
    """Replaces the tokens of the store and records the lookups."""

    def __init__(self) -> None:
        self.live = {"good"}
        self.asked: list[str] = []

    def find(self, token: str) -> Grant | None:
        self.asked.append(token)
        return GRANT if token in self.live else None


def test_a_valid_token_is_looked_up_once_per_second() -> None:
    store, clock = Store(), [0.0]
    tokens = KnownTokens(store, now=lambda: clock[0])
    for _ in range(100):
        assert tokens.find("good") == GRANT
    assert store.asked == ["good"]
    clock[0] = 0.95
    assert tokens.find("good") == GRANT
    assert store.asked == ["good", "good"]


def test_a_revoked_token_is_refused_within_a_second() -> None:
    store, clock = Store(), [0.0]
    tokens = KnownTokens(store, now=lambda: clock[0])
    tokens.find("good")
    store.live.clear()
    clock[0] = 1.0
    assert tokens.find("good") is None


def test_the_second_begins_before_the_lookup() -> None:
    store, clock = Store(), [0.0]
    tokens = KnownTokens(store, now=lambda: clock[0])
    find = store.find

    def find_slowly(token: str) -> Grant | None:
        grant = find(token)
        clock[0] += 0.5
        return grant

    store.find = find_slowly  # type: ignore[method-assign]
    tokens.find("good")
    store.live.clear()
    clock[0] = 1.0
    assert tokens.find("good") is None


def test_using_a_token_does_not_extend_its_second() -> None:
    store, clock = Store(), [0.0]
    tokens = KnownTokens(store, now=lambda: clock[0])
    tokens.find("good")
    store.live.clear()
    for step in range(1, 10):
        clock[0] = step / 10
        tokens.find("good")
    clock[0] = 1.0
    assert tokens.find("good") is None


def test_an_invalid_token_is_looked_up_each_time_and_not_remembered() -> None:
    store = Store()
    tokens = KnownTokens(store)
    assert [tokens.find("new"), tokens.find("new")] == [None, None]
    store.live.add("new")
    assert tokens.find("new") == GRANT
    assert store.asked == ["new"] * 3


def test_the_number_of_remembered_tokens_is_bounded() -> None:
    store = Store()
    tokens = KnownTokens(store, now=lambda: 0.0)
    names = [f"token-{number}" for number in range(known_tokens._MOST + 10)]
    store.live.update(names)
    for name in names:
        assert tokens.find(name) == GRANT
    assert len(tokens._known) == 10
