"""Estimates from a sample of buckets have the error that they state."""

import random
from zlib import crc32

import pytest

from services.upbot_checks.eligibility.estimate import Estimate, Sampled, estimate

BUCKETS = 256
TRIALS = 600


def population(users: int, share: float, chance: random.Random) -> list[Sampled]:
    """Users distributed by a hash, each of whom satisfies the condition with this probability."""
    counts = [[0, 0] for _ in range(BUCKETS)]
    for number in range(users):
        bucket = counts[crc32(b"%d-%d" % (users, number)) % BUCKETS]
        bucket[0] += 1
        bucket[1] += chance.random() < share
    return [Sampled(*each) for each in counts]


@pytest.mark.parametrize("size", [32, 128])
@pytest.mark.parametrize(
    ("users", "share"),
    [
        (20_000, 0.3),
        (20_000, 0.01),
        (20_000, 0.001),
        (20_000, 0.995),
        (20_000, 0.0001),
        (600, 0.5),
        (600, 0.05),
        (60, 0.5),
    ],
)
def test_the_error_covers_the_true_number(users: int, share: float, size: int) -> None:
    chance = random.Random(f"{users} {share} {size}")
    covered = 0
    for trial in range(TRIALS):
        if trial % 60 == 0:
            buckets = population(users, share, chance)
        true = sum(each.users for each in buckets)
        found = estimate(chance.sample(buckets, size), users, BUCKETS)
        covered += abs(found.users - true) <= found.error
    assert covered >= 0.93 * TRIALS


def test_a_larger_sample_has_a_smaller_error() -> None:
    chance = random.Random(2)
    buckets = population(20_000, 0.3, chance)
    few, many = (estimate(chance.sample(buckets, size), 20_000, BUCKETS) for size in (32, 128))
    assert many.error < 0.6 * few.error
    assert few.error < 600


@pytest.mark.parametrize(
    ("sample", "everybody", "expected"),
    [
        ([Sampled(5, 2)] * 4, 20, Estimate(8, 0)),
        ([Sampled(0, 0)] * 4, 0, Estimate(0, 0)),
    ],
)
def test_a_sample_of_all_buckets_is_exact(
    sample: list[Sampled], everybody: int, expected: Estimate
) -> None:
    assert estimate(sample, everybody, len(sample)) == expected


def test_nobody_in_the_sample_does_not_mean_nobody() -> None:
    found = estimate([Sampled(10, 0)] * 32, 2_560, BUCKETS)
    assert found.users == 0
    assert found.error > 20
    assert estimate([Sampled(0, 0)] * 32, 3, BUCKETS) == Estimate(0, 3)


def test_the_true_number_is_never_outside_of_the_population() -> None:
    # One of four users in the sample: the formula alone gives an error of more than all 100 users.
    found = estimate([Sampled(4, 1), *[Sampled(0, 0)] * 31], 100, 1_024)
    assert found == Estimate(25, 75)
