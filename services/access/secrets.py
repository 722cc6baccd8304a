"""Random strings that callers hold, and what is kept of them."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

# Two, so that a secret can be rotated without a moment at which no client works.
LIVE_SECRETS = 2
# What an absent secret is compared with: no text is known that has this hash.
_ABSENT = "0" * 64


def new_secret() -> str:
    """256 random bits, as 43 characters that survive a URL and a shell."""
    return secrets.token_urlsafe(32)


def new_generation() -> str:
    """Sixteen characters that no other app has; nobody needs to keep them secret."""
    return secrets.token_hex(8)


def digest(secret: str) -> str:
    """What is stored of a secret or a token.

    Fast, because 256 random bits cannot be guessed: a slow hash would add nothing, and let anybody
    who sends wrong secrets occupy a core.
    """
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def is_one_of(secret: str, digests: Sequence[str]) -> bool:
    """Whether the secret has one of these digests, of which there are at most LIVE_SECRETS.

    One hash and LIVE_SECRETS comparisons, however many there are: the time says nothing of them.
    """
    found = digest(secret)
    padded = (*digests, *[_ABSENT] * LIVE_SECRETS)[:LIVE_SECRETS]
    return any([hmac.compare_digest(found, each) for each in padded])  # noqa: C419  (all of them)
