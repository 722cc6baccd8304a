"""What each key of a store means to an archive. Pure; keys.py has the same spellings."""

import re
from typing import NamedTuple

_BUCKET = re.compile(rb"lg:\{(\d+)\}:(\w+):?(.*)", re.DOTALL)
# Made anew from the records, or of this store alone: cursors do not outlive a move.
_DERIVED = {b"versions", b"level", b"hand", b"manual", b"feed", b"demoted"}
_OF_THIS_STORE = (b"lg:layout", b"lg:{demotion}:")


class UserKey(NamedTuple):
    """A key in a user's bucket, without the bucket."""

    kind: str
    user: str
    rest: str
    """What stands behind the kind, the user included."""


def is_left_out(key: bytes) -> bool:
    """Whether an archive does not keep this key."""
    found = _BUCKET.fullmatch(key)
    if found is not None:
        return found[2] in _DERIVED
    return key.startswith(_OF_THIS_STORE)


def user_key(key: bytes) -> UserKey | None:
    """Whose key it is; None for one that lies in no bucket."""
    found = _BUCKET.fullmatch(key)
    if found is None:
        return None
    kind, rest = found[2].decode(), found[3].decode()
    match kind:
        case "profile" | "member":
            user = _behind_counted(rest)
        case "bill":
            length, _, counted = _behind_counted(rest).partition(":")
            user = counted[: int(length)]
        case _:
            user = rest
    return UserKey(kind, user, rest)


def _behind_counted(text: str) -> str:
    """What stands behind "length:text:"."""
    length, _, counted = text.partition(":")
    return counted[int(length) + 1 :]
