"""The settings of shop_level."""

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Port, ServerSettings


class ShopLevelSettings(ServerSettings):
    """Environment variables that start with SHOP_LEVEL_."""

    model_config = SettingsConfigDict(env_prefix="SHOP_LEVEL_", env_ignore_empty=True)

    port: Port = Field(50053, description="Port for gRPC.")
    metrics_port: Port = Field(9103, description="Port for Prometheus.")
    default_shop: str = Field(
        "6",
        min_length=1,
        max_length=128,
        validation_alias=AliasChoices("DEFAULT_SHOP", "SHOP_LEVEL_DEFAULT_SHOP"),
        description="The shop of calls that do not name one.",
    )
