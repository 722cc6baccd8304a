"""Cursors with the right checksum around contents that no service wrote."""

import base64
import zlib
from random import Random

from services.member_level.cursors import (
    AtRiskCursor,
    ExportCursor,
    ListCursor,
    SearchCursor,
    at_risk_cursor,
    export_cursor,
    list_cursor,
    search_cursor,
    watch_cursor,
)
from services.store.keys import Buckets
from services.user_state.record import MAX_VERSION
from services.user_state.search import IndexedUser
from tests.fuzz.values import mutated_bytes, odd_integer

_USERS = ("", "5", "joe", "x" * 200, "\0", "用户", "a\nb")
_VERSIONS = (0, 1, 2, 3, MAX_VERSION, MAX_VERSION + 1, 2**63, 2**64 - 1)
_CHECKSUM = 4
_CALLS = ("ListAtRisk", "WatchLevels", "ExportUsers", "ListMembers", "SearchMembers")
# What the fuzzer sends beside a cursor: grpc_inputs.py.
SEARCHED_PREFIX, LISTED_LEVEL = "j", 3


def forged_cursor(random: Random, call: str) -> bytes:
    """Mostly a cursor of the RPC `call`."""
    if random.random() < 0.05:
        call = random.choice(_CALLS)
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
    if call == "ListMembers":
        level = LISTED_LEVEL if random.random() < 0.8 else level
        return list_cursor(ListCursor(level, points, user))
    if call == "SearchMembers":
        after = IndexedUser(level, random.random() < 0.3, points, user)
        return search_cursor(SearchCursor(SEARCHED_PREFIX, bucket, after))
    return at_risk_cursor(AtRiskCursor(bucket, level, points, user))


def _packed(text: str) -> bytes:
    """The contents of a cursor, after its letter and its checksum."""
    return base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))[_CHECKSUM:]


def _with_checksum(letter: str, packed: bytes) -> str:
    checksum = zlib.crc32(letter.encode() + packed).to_bytes(_CHECKSUM, "big")
    return letter + base64.urlsafe_b64encode(checksum + packed).decode().rstrip("=")
