"""Cursors can be read back, and any other text is refused with CursorError."""

import base64
import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.member_level import cursors
from services.member_level.cursors import AtRiskCursor, ExportCursor, ListCursor, SearchCursor
from services.runtime.cursor_text import CursorError
from services.user_state.record import MAX_VERSION
from services.user_state.search import IndexedUser

BUCKETS = 4
PREFIX = "用"
NAMES = st.text(st.characters(codec="utf-8"), max_size=128)
NUMBERS = st.integers(0, 2**32 - 1)
READERS: dict[str, Callable[[str], object]] = {
    "W": lambda text: cursors.read_watch_cursor(text, BUCKETS),
    "R": cursors.read_at_risk_cursor,
    "E": cursors.read_export_cursor,
    "L": cursors.read_list_cursor,
    "S": lambda text: cursors.read_search_cursor(text, PREFIX),
}


def forged(kind: str, packed: bytes) -> str:
    """A cursor with a correct checksum, which anybody can compute."""
    checksum = zlib.crc32(kind.encode() + packed).to_bytes(4, "big")
    return kind + base64.urlsafe_b64encode(checksum + packed).decode().rstrip("=")


def versions(*numbers: int) -> bytes:
    return zlib.compress(struct.pack(f">{len(numbers)}Q", *numbers))


@given(st.lists(st.integers(0, MAX_VERSION), min_size=BUCKETS, max_size=BUCKETS))
def test_a_watch_cursor_is_read_as_it_was_written(versions: list[int]) -> None:
    assert cursors.read_watch_cursor(cursors.watch_cursor(versions), BUCKETS) == versions


@given(st.integers(0, 1_024), NUMBERS, NUMBERS, NAMES)
def test_page_and_export_cursors_are_read_as_they_were_written(
    bucket: int, level: int, points: int, user: str
) -> None:
    risk, export = AtRiskCursor(bucket, level, points, user), ExportCursor(bucket, user)
    assert cursors.read_at_risk_cursor(cursors.at_risk_cursor(risk)) == risk
    assert cursors.read_export_cursor(cursors.export_cursor(export)) == export


@given(NAMES, st.integers(0, 1_024), NUMBERS, st.booleans(), NUMBERS, NAMES)
def test_list_and_search_cursors_are_read_as_they_were_written(
    prefix: str, bucket: int, level: int, manual: bool, points: int, user: str
) -> None:
    listed = ListCursor(level, points, user)
    searched = SearchCursor(prefix, bucket, IndexedUser(level, manual, points, user))
    assert cursors.read_list_cursor(cursors.list_cursor(listed)) == listed
    assert cursors.read_search_cursor(cursors.search_cursor(searched), prefix) == searched


def test_a_search_cursor_is_refused_for_another_prefix() -> None:
    text = cursors.search_cursor(SearchCursor("a", 1, IndexedUser(1, False, 2, "ab")))
    with pytest.raises(CursorError):
        cursors.read_search_cursor(text, "ab")


OLD_FORMATS = [[1] * BUCKETS, [1, 2, 3, "u"], [1, "u"], ["\ud800"], [2**64] * BUCKETS, [True, "u"]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "W",
        "WAAAA",
        "W*",
        "Wé",
        "W\ud800",
        "W" * 70_000,
        "\ud800",
        *(forged(kind, b"") for kind in READERS),
        forged("W", versions(1, 2, 3)),
        forged("W", versions(1, 2, 3, 4, 5)),
        forged("W", versions(1, 2, 3, MAX_VERSION + 1)),
        forged("W", versions(1, 2, 3, 4)[:-1]),
        forged("W", versions(1, 2, 3, 4) + b"x"),
        forged("W", zlib.compress(bytes(10**9 // 100))),
        forged("W", zlib.compress(b"[" * 900_000)),
        forged("W", zlib.compress(bytes(8 * BUCKETS), 9, -15)),
        forged("R", struct.pack(">HII", 1, 2, 3)[:-1]),
        forged("R", struct.pack(">HII", 1, 2, 3) + b"\xed\xa0\x80"),
        forged("L", struct.pack(">II", 2, 3)[:-1]),
        forged("L", struct.pack(">II", 2, 3) + b"\xff"),
        forged("S", struct.pack(">IHIBI", zlib.crc32(PREFIX.encode()), 1, 2, 0, 3)[:-1]),
        forged("S", struct.pack(">IHIBI", zlib.crc32(PREFIX.encode()), 1, 2, 0, 3) + b"\xff"),
        forged("S", struct.pack(">IHIBI", 0, 1, 2, 0, 3)),
        forged("E", b"\x00"),
        forged("E", b"\x00\x01\xff"),
        *(
            forged(kind, zlib.compress(json.dumps(values).encode(), 1))
            for kind in "wre"
            for values in OLD_FORMATS
        ),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_text_that_no_call_returned_is_refused(text: str) -> None:
    for read in READERS.values():
        with pytest.raises(CursorError):
            read(text)


@given(st.sampled_from(sorted(READERS)), st.binary(max_size=200), st.booleans())
@example("W", versions(0, 0, 0, MAX_VERSION + 1), False)
def test_a_forged_cursor_is_refused_or_has_numbers_in_range(
    kind: str, packed: bytes, compress: bool
) -> None:
    text = forged(kind, zlib.compress(packed) if compress else packed)
    try:
        found = READERS[kind](text)
    except CursorError:
        return
    if isinstance(found, list):
        assert len(found) == BUCKETS
        assert all(0 <= version <= MAX_VERSION for version in found)
        return
    if isinstance(found, SearchCursor):
        assert found.bucket >= 0
        found = found.after
    assert isinstance(found, AtRiskCursor | ExportCursor | ListCursor | IndexedUser)
    found.user.encode()
    assert min(number for number in found if isinstance(number, int)) >= 0


def test_a_forged_cursor_does_not_unpack_to_megabytes() -> None:
    text = forged("W", zlib.compress(bytes(10_000_000), 9))
    assert len(text) < 16_384
    tracemalloc.start()
    try:
        with pytest.raises(CursorError):
            cursors.read_watch_cursor(text, BUCKETS)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@given(st.text(), st.sampled_from(sorted(READERS)))
def test_any_other_text_is_refused(text: str, kind: str) -> None:
    for read in READERS.values():
        with pytest.raises(CursorError):
            read(kind + text)
