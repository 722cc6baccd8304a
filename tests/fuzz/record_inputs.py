"""Packed records that no script wrote, and the steps that are then made with their users."""

import struct
from random import Random

from services.user_state.record import FORMAT
from tests.fuzz.inputs import RecordInput
from tests.fuzz.values import mutated_bytes, odd_integer, odd_text

THRESHOLDS = (
    *("get", "show", "check", "history", "initialise", "set_points", "add_points", "set_manually"),
    *("delete", "demote", "import", "page", "count", "restore", "export"),
)
_ENTRY = bytes.fromhex("0012") + b"\x06\x80\xb0\xd5\xa7\x9f\x33\x01\xf4\x03\x02\x00\x00\x04demo\x00"


def record_input(random: Random) -> RecordInput:
    record = _record(random)
    if random.random() < 0.5:
        record = mutated_bytes(random, record, record)
    steps = tuple(random.sample(THRESHOLDS, random.choice((1, 2, 3))))
    number = odd_integer(random) % 2**31
    return RecordInput(
        record, random.choice(("5", "joe", "用户")), random.random() < 0.7, steps, number
    )


def _record(random: Random) -> bytes:
    written = random.choice((FORMAT, FORMAT, FORMAT, FORMAT, 1, 1, 0, 3, 255))
    head = struct.pack(
        ">BBIIIQ",
        written,
        random.choice((0, 0, 1, 1, 2, 255)),
        *(random.choice((0, 1, 3, 5, odd_integer(random))) % 2**32 for _ in range(3)),
        random.choice((1, 2, odd_integer(random))) % 2**64,
    )
    partner = odd_text(random)[:3_000] if random.random() < 0.3 else b"demo"
    if written == 1:
        return head + partner
    length = len(partner) if random.random() < 0.9 else odd_integer(random) % 2**16
    return head + struct.pack(">H", length) + partner + _history(random)


def _history(random: Random) -> bytes:
    entries = [_ENTRY] * random.choice((0, 0, 1, 3, 8, 9, 200))
    return b"".join(
        mutated_bytes(random, entry, entry) if random.random() < 0.2 else entry for entry in entries
    )
