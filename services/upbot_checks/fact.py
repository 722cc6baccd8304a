"""What can be known of a user: stars and games."""

from dataclasses import dataclass
from typing import NamedTuple

ANDROID, IOS = 1, 2
DEVICES = (ANDROID, IOS)


# Stars and keys are tuples: a batch looks them up for each user, and a dataclass is slow to hash.
class Star(NamedTuple):
    """A game whose star can be lit, on one device."""

    gid: int
    device: int


class GameKey(NamedTuple):
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
