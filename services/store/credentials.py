"""The store's password from a file, so that no variable and no command line contains it."""

from pathlib import Path

import redis
from redis.credentials import CredentialProvider


class PasswordFile(CredentialProvider):
    """Reads the file for each connection, so a new password needs no restart."""

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
