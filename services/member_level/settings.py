"""The settings of member_level."""

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import SettingsConfigDict

from services.member_level.demotion.schedule import Schedule
from services.runtime.settings import Port, ServerSettings
from services.user_state.scripts import FEED_MOST


class MemberLevelSettings(ServerSettings):
    """Environment variables that start with MEMBER_LEVEL_."""

    model_config = SettingsConfigDict(env_prefix="MEMBER_LEVEL_", env_ignore_empty=True)

    port: Port = Field(50052, description="Port for gRPC.")
    metrics_port: Port = Field(9102, description="Port for Prometheus.")
    manual_level_days: int = Field(
        365,
        ge=1,
        le=20_000,
        validation_alias=AliasChoices("MANUAL_LEVEL_DAYS", "MEMBER_LEVEL_MANUAL_LEVEL_DAYS"),
        description="Days for which a manual level is protected from demotion. At most 20,000:"
        " the end of the protection is stored in 32 bits, which last until 2106.",
    )
    history: int = Field(
        8,
        ge=0,
        le=64,
        description="Changes retained with each member, about 25 bytes each in the store.",
    )
    feed: int = Field(
        128,
        ge=16,
        le=FEED_MOST,
        description="Changes retained in each bucket for watches, regardless of their age; about"
        " 60 bytes each.",
    )
    feed_seconds: int = Field(
        60,
        ge=0,
        le=86_400,
        description="How long each change is retained for watches. In a bucket with more than"
        f" {FEED_MOST:,} changes, the oldest are trimmed earlier: docs/scale.md.",
    )
    watch_interval_seconds: float = Field(
        0.25,
        gt=0,
        le=10,
        description="How often a watch that has read all changes polls for more.",
    )
    demotion_rate: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Most members that a demotion re-evaluates per second; 0 for no limit.",
    )
    demotion_schedule: str = Field(
        "",
        description="When a demotion starts by itself: daily at a time in UTC such as `03:30`, or"
        " at an interval such as `every 6h`; empty for never. One of the instances starts it.",
    )

    @field_validator("demotion_schedule")
    @classmethod
    def _is_a_schedule(cls, value: str) -> str:
        if value:
            Schedule.parse(value)
        return value
