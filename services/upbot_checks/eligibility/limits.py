"""What a call of Eligibility may ask for: what can be read in time, and delivered.

Both are computed from the request before anything is read, so that the same request is always
accepted or always refused, whatever is known of the users.
"""

from collections.abc import Sequence

from services.runtime.errors import Violation, invalid
from services.upbot_checks.eligibility.condition import Needs
from services.upbot_checks.eligibility.explanations import Explanations

# Read at 300,000 values a second (measured on two busy cores), and JSON callers wait for 2 s.
MOST_VALUES = 200_000
# For one user, on the threads of short calls: 12,601 took 130-280 ms, and other checks waited.
MOST_VALUES_OF_ONE = 2_000
# Envoy's transcoder takes replies of up to 2 MiB (measured; their JSON may be six times as large),
# and clients of gRPC take 4 MiB. Without explanations only openids make a reply large, and those
# that come as JSON have 1 MiB.
LARGEST_EXPLAINED = 2_000_000
LARGEST_REPLY = 4_000_000
# A result without its explanation.
_RESULT = 32


def require_bounded(
    openids: Sequence[str],
    needs: Needs,
    explanations: Explanations | None,
    most_values: int = MOST_VALUES,
) -> None:
    """Raises Failure INVALID_ARGUMENT, which says what is accepted."""
    values = 1 + len(needs.stars) + len(needs.games)
    why = f"with this condition, for which {values} values of each are read"
    if values > most_values:
        accepted = f"need at most {most_values} values of a user"
        raise _wrong("condition", f"must {accepted}; it needs {values}")
    _require_few(openids, most_values // values, why)
    if explanations is None:
        size = len("".join(openids).encode()) + _RESULT * len(openids)
        if size > LARGEST_REPLY:
            accepted = f"a reply of at most {LARGEST_REPLY} bytes"
            raise _wrong("openids", f"must lead to {accepted}; it could have {size}")
        return
    of_each = explanations.largest() + _RESULT
    if of_each > LARGEST_EXPLAINED:
        accepted = f"an explanation of at most {LARGEST_EXPLAINED} bytes"
        raise _wrong("condition", f"must lead to {accepted}; it could have {of_each}")
    longest = max(len(openid.encode()) for openid in openids)
    most = LARGEST_EXPLAINED // max(of_each, _RESULT + longest)
    _require_few(openids, most, f"with explain and this condition, {of_each} bytes for each")


def _require_few(openids: Sequence[str], most: int, why: str) -> None:
    if len(openids) > most:
        raise _wrong("openids", f"must have at most {most} entries {why}; got {len(openids)}")


def _wrong(field: str, description: str) -> Exception:
    return invalid([Violation(field, description, field)])
