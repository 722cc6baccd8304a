"""What can be known of a user: stars and games."""

from dataclasses import dataclass

ANDROID, IOS = 1, 2
DEVICES = (ANDROID, IOS)


@dataclass(frozen=True)
class Star:
    """A game whose star can be lit, on one device."""

    gid: int
    device: int


@dataclass(frozen=True)
class GameKey:
    """What a game fact is found by."""

    game_code: str
    area_id: str
    plat_id: str
    partition_id: str
    role_name: str
    game_check_info_id: int


@dataclass(frozen=True)
class GameFact:
    """What is known: a code, a number, or both."""

    code: str | None = None
    number: int | None = None


NO_FACT = GameFact()
