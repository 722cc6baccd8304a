"""Cursors with the right checksum around contents that no service wrote."""

import base64
import zlib
from random import Random

from services.member_level.cursors import (
    AtRiskCursor,
    ExportCursor,
    at_risk_cursor,
    export_cursor,
    watch_cursor,
)
from services.store.keys import Buckets
from services.user_state.record import MAX_VERSION
from tests.fuzz.values import mutated_bytes, odd_integer

_USERS = ("", "5", "joe", "x" * 200, "\0", "用户", "a\nb")
_VERSIONS = (0, 1, 2, 3, MAX_VERSION, MAX_VERSION + 1, 2**63, 2**64 - 1)
_CHECKSUM = 4


def forged_cursor(random: Random, call: str) -> bytes:
    """Mostly a cursor of the RPC `call`."""
    if random.random() < 0.05:
        call = random.choice(("ListAtRisk", "WatchLevels", "ExportUsers"))
    text = _written(random, call)
    if random.random() < 0.4:
        text = _with_checksum(text[:1], mutated_bytes(random, _packed(text)))
    return mutated_bytes(random, text.encode()) if random.random() < 0.1 else text.encode()


def _written(random: Random, call: str) -> str:
    # Mostly a bucket with members of the demo: in an empty one a cursor has little effect.
    bucket = Buckets().of(random.choice(("5", "3dfg4df", "joe"))).number
    if random.random() < 0.2:
        bucket = random.choice((0, 1_023, 1_024, 2**16 - 1))
    if call == "WatchLevels":
        count = random.choice((1_024, 1_024, 1_024, 0, 1, 1_023, 1_025, 40_000))
        versions = [0] * count
        if bucket < count:
            versions[bucket] = random.choice(_VERSIONS)
        return watch_cursor(versions)
    user = random.choice(_USERS)
    if call == "ExportUsers":
        return export_cursor(ExportCursor(bucket, user))
    level, points = random.choice((1, 2, 3, 5)), random.choice((0, 500, 600, 1_200))
    if random.random() < 0.2:
        level, points = odd_integer(random) % 2**32, odd_integer(random) % 2**32
    return at_risk_cursor(AtRiskCursor(bucket, level, points, user))


def _packed(text: str) -> bytes:
    """The contents of a cursor, after its letter and its checksum."""
    return base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))[_CHECKSUM:]


def _with_checksum(letter: str, packed: bytes) -> str:
    checksum = zlib.crc32(letter.encode() + packed).to_bytes(_CHECKSUM, "big")
    return letter + base64.urlsafe_b64encode(checksum + packed).decode().rstrip("=")
