"""Where the store is and how long it may take."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.store.keys import DEFAULT_BUCKETS

_CLUSTER = "+cluster"


class StoreSettings(BaseSettings):
    """Environment variables that start with REDIS_; the same for every service of a stack."""

    model_config = SettingsConfigDict(env_prefix="REDIS_", env_ignore_empty=True)

    url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="redis:// or rediss:// address; may hold a user and a password."
        " redis+cluster:// or rediss+cluster:// for any one node of a cluster.",
    )
    cluster: bool = Field(False, description="Whether the address is that of a cluster's node.")
    buckets: int = Field(
        DEFAULT_BUCKETS,
        ge=1,
        le=16_384,
        description="Buckets that users are spread over; fixed once the store holds data.",
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
        scheme = parts.scheme.removesuffix(_CLUSTER)
        if scheme not in {"redis", "rediss"} or not parts.hostname:
            raise ValueError("must be an address as redis://host:6379/0 or rediss://...")
        return value

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
        """The address without the mark of a cluster. A secret, as `url` is."""
        return self.url.get_secret_value().replace(f"{_CLUSTER}://", "://", 1)
