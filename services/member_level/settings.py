"""The settings of member_level."""

from pydantic import AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Port, ServerSettings


class MemberLevelSettings(ServerSettings):
    """Environment variables that start with MEMBER_LEVEL_."""

    model_config = SettingsConfigDict(env_prefix="MEMBER_LEVEL_", env_ignore_empty=True)

    port: Port = Field(50052, description="Port for gRPC.")
    metrics_port: Port = Field(9102, description="Port for Prometheus.")
    manual_level_days: int = Field(
        365,
        ge=1,
        le=36_500,
        validation_alias=AliasChoices("MANUAL_LEVEL_DAYS", "MEMBER_LEVEL_MANUAL_LEVEL_DAYS"),
        description="Days that a level set by hand is protected from demotion.",
    )
