"""Values that callers should not send: odd texts and odd numbers, as bytes."""

from random import Random

_TEXTS = (
    *(b"", b" ", b"\x00", b"\x1f\x7f", b"a\x00b", b"\t\r\n", b" 1"),
    *b"%00 %FF % %zz + .. ../../etc \\ \" ' {} [1] null true NaN - 0 1e5 007 -1 1.0 0x1f".split(),
    *b"$repeat * ? # ; 5 42 3dfg4df joe aaa xxxxd3dd 6 7 demo lg:rules".split(),
    *(b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe7\x94", b"\xef\xbb\xbf"),
    *map(str.encode, ("用户", "😀", "\u202e\u2028", "e\u0301", "\ufeffx")),
)
_LENGTHS = (1, 2, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1_023, 1_025, 4_097)
_HUGE = (20_000, 66_000, 262_145, 1_048_577)

INTEGERS = (
    *(0, 1, -1, 2, 3, 6, 7, 10, 100, 101, 127, 128, 255, 256, 1_000, 1_001, 10_001, 28_900, 36_500),
    *(2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32 - 1, 2**32, 2**50, 2**50 + 1, 2**53 - 1),
    *(2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64 - 1, 2**64, 10**30),
)
_NUMBERS = (
    *b"1e999 -1e999 1e-999 -0 -0.0 1.0 1.5 1e2 1E+2 01 0x1 +1 .5 1. 1e --1 1_000".split(),
    *b"NaN Infinity -Infinity".split(),
    b"9" * 400,
    b"0." + b"3" * 300,
)


def odd_text(random: Random) -> bytes:
    """Mostly short; not always UTF-8."""
    kind = random.random()
    if kind < 0.6:
        return random.choice(_TEXTS)
    if kind < 0.8:
        return random.randbytes(random.randint(1, 24))
    unit = random.choice((b"x", b"9", b"\xe5\x90\x8d", b"a,", b"[", b"\x01", b"%41"))
    is_huge = kind > 0.999
    return unit * (random.choice(_HUGE if is_huge else _LENGTHS) // (len(unit) if is_huge else 1))


def odd_number(random: Random) -> bytes:
    """A number in JSON, or nearly one."""
    if random.random() < 0.7:
        return str(odd_integer(random)).encode()
    return random.choice(_NUMBERS)


def odd_integer(random: Random) -> int:
    if random.random() < 0.8:
        return random.choice(INTEGERS)
    return random.getrandbits(random.choice((3, 7, 16, 31, 40, 63))) * random.choice((1, 1, -1))


def mutated_bytes(random: Random, given: bytes, other: bytes = b"") -> bytes:
    """Bits flipped, a part cut, doubled, replaced or taken from another input."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        start = random.randrange(len(given) + 1)
        end = min(len(given), start + random.choice((0, 1, 1, 2, 4, 16, 200)))
        match random.randrange(7):
            case 0 if start < len(given):
                flipped = given[start] ^ (1 << random.randrange(8))
                given = given[:start] + bytes([flipped]) + given[start + 1 :]
            case 1:
                given = given[:start] + given[end:]
            case 2:
                given = given[:end] + given[start:end] * random.choice((1, 2, 50)) + given[end:]
            case 3:
                given = given[:start] + odd_text(random) + given[end:]
            case 4:
                given = given[:start]
            case 5:
                given = given[:start] + other[random.randrange(len(other) + 1) :]
            case _:
                given = given[:start] + random.randbytes(end - start) + given[end:]
    return given
