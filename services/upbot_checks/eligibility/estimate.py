"""An estimate of a count from a sample of buckets.

Users are distributed over the buckets by a hash of their names, so a random sample of buckets is a
cluster sample. The estimate is a ratio: the share of the visited users who satisfy the condition,
multiplied by the number of all users that a complete search would visit.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

# Below this many users on one side, counts are not normally distributed.
_FEW = 30


class Sampled(NamedTuple):
    """A bucket of the sample."""

    visited: int
    users: int
    """Those of them who satisfy the condition."""


class Estimate(NamedTuple):
    """The true number is within users +- error in 95 of 100 cases."""

    users: int
    error: int


def estimate(sample: Sequence[Sampled], all_visited: int, buckets: int) -> Estimate:
    """From a sample of at least two of the buckets, which have `all_visited` users together."""
    size = len(sample)
    visited = sum(each.visited for each in sample)
    users = sum(each.users for each in sample)
    if visited == 0:
        return Estimate(0, all_visited)
    ratio = users / visited
    residuals = sum((each.users - ratio * each.visited) ** 2 for each in sample)
    finite = 1 - size / buckets
    deviation = buckets * math.sqrt(finite * residuals / (size - 1) / size)
    error = _student(size - 1) * deviation
    rare = min(users, visited - users)
    if rare < _FEW:
        # An upper limit of a Poisson distribution: none in the sample does not mean none at all.
        most = 1.96 * math.sqrt(rare + 1) + 1.92
        error = max(error, all_visited / visited * math.sqrt(finite) * most)
    estimated = round(ratio * all_visited)
    # The true number is between 0 and that of all users.
    return Estimate(estimated, min(math.ceil(error), max(estimated, all_visited - estimated)))


def _student(degrees: int) -> float:
    """The 97.5 % quantile of Student's t distribution, to 0.5 % from 20 degrees on."""
    return 1.96 + 2.4 / degrees
