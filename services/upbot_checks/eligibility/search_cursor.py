"""The cursor of a search: a bucket, and the last user in it, bound to the condition."""

import hashlib
import struct
from typing import NamedTuple

from levelgate.upbot.v1 import eligibility_pb2 as pb
from services.runtime.cursor_text import CursorError, decoded, encoded, position
from services.store.keys import Buckets

_KIND = "F"
_DIGEST_BYTES = 8
_LAYOUT = struct.Struct(">H")


class Position(NamedTuple):
    """The search continues in this bucket after this user."""

    bucket: int = 0
    user: str = ""


def search_cursor(condition: pb.Condition, at: Position) -> str:
    return encoded(_KIND, _digest(condition) + _LAYOUT.pack(at.bucket) + at.user.encode())


def read_search_cursor(condition: pb.Condition, text: str, buckets: Buckets) -> Position:
    """The position; the beginning for "". Raises CursorError, also for another condition."""
    if not text:
        return Position()
    packed = decoded(_KIND, text)
    if packed[:_DIGEST_BYTES] != _digest(condition):
        raise CursorError
    (bucket,), user = position(_LAYOUT, packed[_DIGEST_BYTES:])
    if bucket >= buckets.count or (user and buckets.number_of(user) != bucket):
        raise CursorError
    return Position(bucket, user)


def _digest(condition: pb.Condition) -> bytes:
    # A caller may send the same condition in another order of fields; unknown fields are no part.
    known = pb.Condition()
    known.CopyFrom(condition)
    known.DiscardUnknownFields()
    return hashlib.sha256(known.SerializeToString(deterministic=True)).digest()[:_DIGEST_BYTES]
