"""The facts that can be stored about a user: lit stars and game facts."""

from dataclasses import dataclass
from typing import NamedTuple

ANDROID, IOS = 1, 2
DEVICES = (ANDROID, IOS)


# Tuples, because a batch looks them up for each user and a dataclass is slow to hash.
class Star(NamedTuple):
    """The star of one game on one device, which can be lit."""

    gid: int
    device: int


class GameKey(NamedTuple):
    """The key of a game fact."""

    game_code: str
    area_id: str
    plat_id: str
    partition_id: str
    role_name: str
    game_check_info_id: int


@dataclass(frozen=True)
class GameFact:
    """The content of a game fact: a code, a number, or both."""

    code: str | None = None
    number: int | None = None


NO_FACT = GameFact()
