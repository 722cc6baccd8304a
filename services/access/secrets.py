"""Random secrets of callers, and the digests that are stored of them."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

# Two, so that a secret can be rotated without an interruption.
LIVE_SECRETS = 2
# Stands in for an absent secret; no text with this hash is known.
_ABSENT = "0" * 64


def new_secret() -> str:
    """256 random bits, as 43 characters that need no escaping in a URL or a shell."""
    return secrets.token_urlsafe(32)


def new_generation() -> str:
    """Sixteen random characters, unique for each app but not secret."""
    return secrets.token_hex(8)


def digest(secret: str) -> str:
    """The digest that is stored of a secret or a token.

    A fast hash is enough, because 256 random bits cannot be guessed. A slow one would let callers
    who send wrong secrets occupy a core.
    """
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def is_one_of(secret: str, digests: Sequence[str]) -> bool:
    """Whether the secret has one of these digests, of which there are at most LIVE_SECRETS.

    It always makes LIVE_SECRETS comparisons, so the time does not tell how many secrets exist.
    """
    found = digest(secret)
    padded = (*digests, *[_ABSENT] * LIVE_SECRETS)[:LIVE_SECRETS]
    return any([hmac.compare_digest(found, each) for each in padded])  # noqa: C419  (all of them)
