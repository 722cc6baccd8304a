"""Reading a packed record in Python."""

import pytest

from services.user_state.record import Record, Source, UnknownFormatError, unpack

DAY = 86_400


def manual(protected_until: int) -> Record:
    return Record(3, 0, Source.MANUAL, protected_until, 1, "p")


@pytest.mark.parametrize(
    ("seconds", "days"),
    [
        (2 * DAY, 2),
        (2 * DAY - 1, 2),
        (DAY + 1, 2),
        (DAY, 1),
        (1, 1),
        (0, 0),
        (-1, 0),
        (-9 * DAY, 0),
    ],
)
def test_days_left_are_rounded_up_and_never_negative(seconds: int, days: int) -> None:
    assert manual(protected_until=1_000_000 + seconds).days_left(now=1_000_000) == days


def test_an_earned_level_has_no_days_of_protection() -> None:
    assert Record(3, 1500, Source.EARNED, 9_999_999_999, 1, "").days_left(now=0) == 0


@pytest.mark.parametrize("packed", [b"", b"\x00" + bytes(40), b"\x03" + bytes(40)])
def test_a_record_of_an_unknown_format_is_refused(packed: bytes) -> None:
    with pytest.raises(UnknownFormatError):
        unpack(packed)
