"""The settings of upbot_checks."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Port, ServerSettings


class UpbotChecksSettings(ServerSettings):
    """Environment variables that start with UPBOT_CHECKS_."""

    model_config = SettingsConfigDict(env_prefix="UPBOT_CHECKS_", env_ignore_empty=True)

    port: Port = Field(50051, description="Port for gRPC.")
    metrics_port: Port = Field(9101, description="Port for Prometheus.")
    maximum_message_bytes: int = Field(
        4_194_304,
        ge=1_024,
        le=67_108_864,
        description="Largest message accepted; BatchCheck takes 10,000 openids of any length.",
    )
