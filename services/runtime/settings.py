"""Settings from environment variables, and one clear line for a wrong setting."""

import os
import sys
from importlib import import_module
from ipaddress import ip_address
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Settings = TypeVar("Settings", bound=BaseSettings)

Port = Annotated[int, Field(ge=1, le=65_535)]

# The documents of upbot require the Authorization header, so that family cannot be opened.
OPENABLE_FAMILIES = frozenset({"member", "shop"})


def _is_address(value: str) -> str:
    ip_address(value)  # Envoy does not resolve names of addresses to listen on.
    return value


class ServerSettings(BaseSettings):
    """The settings that every service has, with a prefix for each service."""

    address: Annotated[str, AfterValidator(_is_address)] = Field(
        "127.0.0.1", description="IP address to listen on, for calls and metrics."
    )
    port: Port = Field(description="Port for gRPC.")
    metrics_port: Port = Field(description="Port for Prometheus.")
    server: Literal["envoy", "grpcio"] | None = Field(
        None,
        description="The server that receives the calls: envoy (Python runs inside Envoy) or"
        " grpcio, which half-sent calls can block (docs/reliability.md). Empty: envoy if the"
        " interpreter has a shared libpython, otherwise grpcio.",
    )
    threads: int = Field(8, ge=1, le=256, description="Short calls that are answered at a time.")
    long_calls: int = Field(
        4,
        ge=1,
        le=256,
        description="Calls that are answered at a time, for each method that may take seconds"
        " (LevelDown, DeleteRule, UpdateRule, PreviewRules, ListRuleVersions, CountMembers,"
        " ListMembers, SearchMembers, PlanDemotion, ListAtRisk, BatchCheck, FindUsersPage,"
        " CountUsers, ListApps, GetUserFacts), on separate threads. Further calls get"
        " RESOURCE_EXHAUSTED.",
    )
    streams: int = Field(
        16,
        ge=1,
        le=1_024,
        description="Streaming calls that are served at a time, on separate threads. Further calls"
        " get RESOURCE_EXHAUSTED.",
    )
    maximum_concurrent_rpcs: int = Field(
        256,
        ge=1,
        le=100_000,
        description="Short calls (with grpcio: all calls) that are answered or wait for a thread at"
        " a time. Further calls get RESOURCE_EXHAUSTED.",
    )
    maximum_message_bytes: int = Field(
        1_048_576,
        ge=1_024,
        le=67_108_864,
        description="Size of the largest message that is accepted.",
    )
    connection_age_seconds: int = Field(
        600,
        ge=1,
        description="Maximum age of a connection. Clients then reconnect, which also distributes"
        " them over new instances.",
    )
    drain_seconds: float = Field(
        2.0,
        ge=0,
        le=600,
        description="How long, after SIGTERM, health is NOT_SERVING before new calls are refused."
        " Meanwhile the gateway, which probes every second, stops choosing this instance.",
    )
    grace_seconds: float = Field(
        10.0,
        ge=0,
        le=600,
        description="How long, after draining, calls in progress may still take.",
    )
    health_interval_seconds: float = Field(
        0.5, gt=0, le=60, description="Interval of the probes of the store."
    )
    core: int | None = Field(
        None,
        ge=0,
        description="The only core that the process uses; empty: any. Python runs on one core at a"
        " time, and its threads take less CPU if that is always the same: docs/performance.md.",
    )
    reflection: bool = Field(True, description="Serve gRPC reflection.")
    log_level: str = Field(
        "info",
        pattern="^(debug|info|warning|error)$",
        description="debug logs every call, info only those that failed.",
    )

    @property
    def endpoint(self) -> str:
        """The address and port for calls."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"

    @field_validator("metrics_port")
    @classmethod
    def _is_another_port(cls, value: int, given: ValidationInfo) -> int:
        if value == given.data.get("port"):
            raise ValueError(f"must not be the port for gRPC; got {value}")
        return value

    @field_validator("core")
    @classmethod
    def _may_be_used(cls, value: int | None) -> int | None:
        allowed = os.sched_getaffinity(0)
        if value is not None and value not in allowed:
            raise ValueError(f"must be one of the cores {sorted(allowed)}; got {value}")
        return value


class AccessSettings(BaseSettings):
    """The settings of access, which all services of a stack share."""

    model_config = SettingsConfigDict(env_prefix="", env_ignore_empty=True)

    open_families: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        description="Families whose documented calls need no token: member, shop or member,shop.",
    )

    app_rate_limit: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="Calls per second of each app at each instance; 0 for no limit. Further calls"
        " get RESOURCE_EXHAUSTED.",
    )

    @field_validator("open_families", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        families = {name.strip() for name in value.split(",")} - {""}
        if unknown := families - OPENABLE_FAMILIES:
            raise ValueError(f"{', '.join(sorted(unknown))} cannot be opened; member and shop can")
        return families


def load(settings: type[Settings]) -> Settings:
    """Reads the settings; a wrong one ends the process with one line that names its variable."""
    try:
        return settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = variable(settings, str(first["loc"][0])) if first["loc"] else settings.__name__
        # The value may be a password, so only the variable is named.
        sys.exit(f"wrong setting {name}: {first['msg'].removeprefix('Value error, ')}")


def settings_of(service: str) -> type[ServerSettings]:
    """The settings class of a service: UpbotChecksSettings for upbot_checks."""
    module = import_module(f"services.{service}.settings")
    name = "".join(word.capitalize() for word in service.split("_")) + "Settings"
    settings: type[ServerSettings] = getattr(module, name)
    return settings


def variable(settings: type[BaseSettings], field: str) -> str:
    """Returns the environment variable of a field, or the first one if it has several."""
    if field not in settings.model_fields:
        return field
    alias = settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{settings.model_config.get('env_prefix', '')}{field}".upper()
