"""Where the store is and how long it may take."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class StoreSettings(BaseSettings):
    """Environment variables that start with REDIS_; the same for every service of a stack."""

    model_config = SettingsConfigDict(env_prefix="REDIS_", env_ignore_empty=True)

    url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="redis:// or rediss:// address; may hold a user and a password.",
    )
    timeout_seconds: float = Field(
        0.4,
        gt=0,
        le=60,
        description="Longest wait for one answer of the store. A call's own deadline shortens it.",
    )
    connect_seconds: float = Field(
        0.4, gt=0, le=60, description="Longest wait for a connection to the store."
    )
    max_connections: int = Field(
        64, ge=1, le=10_000, description="Connections that one service may hold."
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
            raise ValueError("must be an address as redis://host:6379/0 or rediss://...")
        return value
