"""The limits of a call of Eligibility: what can be read in time and delivered in one reply.

Both are computed from the request before anything is read, so that the same request is always
accepted or always refused, regardless of the stored data.
"""

from collections.abc import Sequence

from services.runtime.errors import Violation, invalid
from services.upbot_checks.eligibility.condition import Needs
from services.upbot_checks.eligibility.explanations import Explanations

# The store reads 300,000 values per second (measured on two busy cores), and the deadline of JSON
# callers is 2 s.
MOST_VALUES = 200_000
# For one user. Check runs on the threads of short calls: 12,601 values took 130-280 ms, during
# which other checks waited.
MOST_VALUES_OF_ONE = 2_000
# Envoy's transcoder accepts replies of up to 2 MiB (measured; their JSON may be six times as
# large), and gRPC clients accept 4 MiB. A reply without explanations consists of openids, and a
# JSON request carries at most 1 MiB of them.
LARGEST_EXPLAINED = 2_000_000
LARGEST_REPLY = 4_000_000
# The size of a result without its explanation.
_RESULT = 32


def require_within_limits(
    openids: Sequence[str],
    needs: Needs,
    explanations: Explanations | None,
    most_values: int = MOST_VALUES,
) -> None:
    """Raises Failure INVALID_ARGUMENT, which states the limit."""
    values = 1 + len(needs.stars) + len(needs.games)
    why = f"with this condition, which needs {values} values per user"
    if values > most_values:
        accepted = f"must need at most {most_values} values per user"
        raise _wrong("condition", f"{accepted}; it needs {values}")
    _require_few(openids, most_values // values, why)
    if explanations is None:
        size = len("".join(openids).encode()) + _RESULT * len(openids)
        if size > LARGEST_REPLY:
            accepted = f"must lead to a reply of at most {LARGEST_REPLY} bytes"
            raise _wrong("openids", f"{accepted}; it could have {size}")
        return
    of_each = explanations.largest() + _RESULT
    if of_each > LARGEST_EXPLAINED:
        accepted = f"must lead to an explanation of at most {LARGEST_EXPLAINED} bytes"
        raise _wrong("condition", f"{accepted}; it could have {of_each}")
    longest = max(len(openid.encode()) for openid in openids)
    most = LARGEST_EXPLAINED // max(of_each, _RESULT + longest)
    _require_few(openids, most, f"with explain and this condition, {of_each} bytes each")


def _require_few(openids: Sequence[str], most: int, why: str) -> None:
    if len(openids) > most:
        raise _wrong("openids", f"must have at most {most} entries {why}; got {len(openids)}")


def _wrong(field: str, description: str) -> Exception:
    return invalid([Violation(field, description, field)])
