"""The store's password from a file, so that it stands in no variable and no command line."""

from pathlib import Path

import redis
from redis.credentials import CredentialProvider


class PasswordFile(CredentialProvider):
    """Read anew for each connection: a new password is taken up without a restart."""

    def __init__(self, user: str | None, path: Path) -> None:
        self._user = user
        self._path = path

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Raises redis.AuthenticationError if the file cannot be read, or is empty."""
        try:
            password = self._path.read_text().strip()
        except (OSError, UnicodeDecodeError):
            password = ""
        if not password:
            raise redis.AuthenticationError("no password")
        return (self._user, password) if self._user else (password,)
