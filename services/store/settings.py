"""Where the store is and how long it may take."""

from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_CLUSTER = "+cluster"


class StoreSettings(BaseSettings):
    """Environment variables that start with REDIS_; the same for every service of a stack."""

    model_config = SettingsConfigDict(env_prefix="REDIS_", env_ignore_empty=True)

    url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="redis:// or rediss:// address; may hold a user and a password."
        " redis+cluster:// or rediss+cluster:// for any one node of a cluster.",
    )
    password_file: Path | None = Field(
        None,
        description="File that holds the password of REDIS_URL's user. It is read for each"
        " connection, so a new password needs no restart.",
    )
    cluster: bool = Field(False, description="Whether the address is that of a cluster's node.")
    timeout_seconds: float = Field(
        0.4,
        gt=0,
        le=60,
        description="Longest wait for one answer of the store. A call's own deadline shortens it.",
    )
    connect_seconds: float = Field(
        0.4, gt=0, le=60, description="Longest wait for a connection to the store."
    )
    cache_values: int = Field(
        50_000,
        ge=0,
        le=10_000_000,
        description="Values that upbot_checks keeps in memory, some 500 bytes each, until the store"
        " sends an invalidation. 0 for none, so that each check reads the store, as on a cluster."
        " Every service needs the same choice: unless it is 0, a write is acknowledged after its"
        " invalidations.",
    )
    max_connections: int = Field(
        64, ge=1, le=10_000, description="Connections that one service may hold."
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        scheme = parts.scheme.removesuffix(_CLUSTER)
        if scheme not in {"redis", "rediss"} or not parts.hostname:
            raise ValueError("must be an address as redis://host:6379/0 or rediss://...")
        return value

    @field_validator("password_file")
    @classmethod
    def _holds_a_password(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        try:
            is_empty = not value.read_text().strip()
        except OSError as error:
            raise ValueError(f"{value}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{value}: must be a text") from None
        if is_empty:
            raise ValueError(f"{value}: the file is empty")
        return value

    @model_validator(mode="after")
    def _has_one_password(self) -> Self:
        if self.password_file and urlsplit(self.url.get_secret_value()).password is not None:
            raise ValueError("REDIS_URL must hold no password beside REDIS_PASSWORD_FILE")
        return self

    @model_validator(mode="after")
    def _has_one_database(self) -> Self:
        if self.is_cluster and urlsplit(self.address).path.strip("/") not in {"", "0"}:
            raise ValueError("REDIS_URL must not name a database: a cluster has only database 0")
        return self

    @property
    def is_cluster(self) -> bool:
        return self.cluster or urlsplit(self.url.get_secret_value()).scheme.endswith(_CLUSTER)

    @property
    def address(self) -> str:
        """The address without `+cluster`. It is a secret, as `url` is.

        With a password file it has no user either, because PasswordFile provides both.
        """
        address = self.url.get_secret_value().replace(f"{_CLUSTER}://", "://", 1)
        if not self.password_file:
            return address
        parts = urlsplit(address)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    @property
    def user(self) -> str | None:
        name = urlsplit(self.url.get_secret_value()).username
        return unquote(name) if name else None
