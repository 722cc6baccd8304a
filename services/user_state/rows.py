"""Users as an import gives them to import.lua."""

import struct
from typing import NamedTuple

from services.user_state.record import Source

_ROW = struct.Struct(">BBIIIQHH")


class Row(NamedTuple):
    """What a user is to be. `level` None: what the points earn."""

    user: str
    points: int
    level: int | None = None
    source: Source = Source.EARNED
    protected_until: int = 0
    """Seconds since 1970; 0 for an earned level."""
    partner: str = ""
    version: int = 0
    """The version it had in the store that it comes from."""
    history: bytes = b""
    """Its changes there, as history.pack gives them."""

    def packed(self) -> bytes:
        user, partner = self.user.encode(), self.partner.encode()
        head = _ROW.pack(
            self.level is not None,
            self.source,
            self.level or 0,
            self.points,
            self.protected_until,
            self.version,
            len(user),
            len(partner),
        )
        return head + user + partner + self.history
