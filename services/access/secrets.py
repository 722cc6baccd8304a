"""Random strings that callers hold, and what is kept of them."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

# scrypt's cost: 16 MiB and about 50 ms, so that a stolen store does not give the secrets away.
_COST = {"n": 2**14, "r": 8, "p": 1}


def new_secret() -> str:
    """256 random bits, as 43 characters that survive a URL and a shell."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is stored of a token. Fast, as every call needs it: 256 bits cannot be guessed."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True)
class HashedSecret:
    """What is stored of an app's secret."""

    salt: str
    hash: str

    def matches(self, secret: str) -> bool:
        return hmac.compare_digest(self.hash, _slow_hash(secret, self.salt))


def hash_secret(secret: str) -> HashedSecret:
    salt = secrets.token_hex(16)
    return HashedSecret(salt, _slow_hash(secret, salt))


def _slow_hash(secret: str, salt: str) -> str:
    return hashlib.scrypt(secret.encode(), salt=bytes.fromhex(salt), **_COST).hex()
