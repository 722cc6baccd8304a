"""Users of an import, packed for import.lua."""

import struct
from typing import NamedTuple

from services.user_state.record import Source

ROW = struct.Struct(">BBIIIQHH")


class Row(NamedTuple):
    """The new state of a user. `level` None means the level that the points earn."""

    user: str
    points: int
    level: int | None = None
    source: Source = Source.EARNED
    protected_until: int = 0
    """Seconds since 1970; 0 for an earned level."""
    partner: str = ""
    version: int = 0
    """The version that the user had in the store where the row was exported."""
    history: bytes = b""
    """The user's changes in that store, packed by history.pack."""

    def packed(self) -> bytes:
        user, partner = self.user.encode(), self.partner.encode()
        head = ROW.pack(
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
