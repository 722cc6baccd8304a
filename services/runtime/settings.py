"""Settings from the environment: one class a process, one clear line for a wrong one."""

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

# upbot's documents have the Authorization header; they cannot be opened.
OPENABLE_FAMILIES = frozenset({"member", "shop"})


def _is_address(value: str) -> str:
    ip_address(value)  # Envoy looks up no names to listen on
    return value


class ServerSettings(BaseSettings):
    """What every service has; each reads it under a prefix of its own."""

    address: Annotated[str, AfterValidator(_is_address)] = Field(
        "127.0.0.1", description="IP address to listen on, for calls and metrics."
    )
    port: Port = Field(description="Port for gRPC.")
    metrics_port: Port = Field(description="Port for Prometheus.")
    server: Literal["envoy", "grpcio"] | None = Field(
        None,
        description="What takes the calls: envoy (Python runs inside Envoy) or grpcio. Empty: envoy"
        " where the interpreter has a shared libpython, otherwise grpcio; half-sent calls can"
        " block that one (docs/reliability.md).",
    )
    threads: int = Field(8, ge=1, le=256, description="Short calls answered at a time.")
    long_calls: int = Field(
        4,
        ge=1,
        le=256,
        description="Calls answered at a time of each method whose work may take long (LevelDown,"
        " DeleteRule, UpdateRule, PreviewRules, PlanDemotion, ListAtRisk, BatchCheck, GetUserFacts)"
        ", on separate threads; the next is RESOURCE_EXHAUSTED.",
    )
    streams: int = Field(
        16,
        ge=1,
        le=1_024,
        description="Streaming calls served at a time, by threads of their own; the next is"
        " RESOURCE_EXHAUSTED.",
    )
    maximum_concurrent_rpcs: int = Field(
        256,
        ge=1,
        le=100_000,
        description="Short calls answered or waiting for a thread (with grpcio: all calls); the"
        " next is RESOURCE_EXHAUSTED.",
    )
    maximum_message_bytes: int = Field(
        1_048_576, ge=1_024, le=67_108_864, description="Largest message that is read."
    )
    connection_age_seconds: int = Field(
        600,
        ge=1,
        description="Maximum age of a connection; clients then reconnect, and so find instances"
        " that were added.",
    )
    drain_seconds: float = Field(
        2.0,
        ge=0,
        le=600,
        description="After SIGTERM: how long health says NOT_SERVING before new calls are refused,"
        " so that the gateway (which looks every second) stops choosing this instance.",
    )
    grace_seconds: float = Field(
        10.0, ge=0, le=600, description="After draining: how long calls under way may take."
    )
    health_interval_seconds: float = Field(
        0.5, gt=0, le=60, description="How often the store is asked whether it is there."
    )
    core: int | None = Field(
        None,
        ge=0,
        description="Core that the process keeps to; empty: any. Python uses one at a time, and its"
        " threads cost less CPU on one core than on several: docs/performance.md.",
    )
    reflection: bool = Field(True, description="Serve gRPC reflection.")
    log_level: str = Field(
        "info",
        pattern="^(debug|info|warning|error)$",
        description="debug logs every call; info those that failed.",
    )

    @property
    def endpoint(self) -> str:
        """Where it listens, for people to read."""
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
    """Who may call; the same for every service of a stack."""

    model_config = SettingsConfigDict(env_prefix="", env_ignore_empty=True)

    open_families: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        description="Families whose documented calls need no token: member, shop or member,shop.",
    )

    app_rate_limit: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="Calls a second of one app, at each instance; the next is RESOURCE_EXHAUSTED."
        " 0 for no limit.",
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
        # What was given may be a password: only its variable is named.
        sys.exit(f"wrong setting {name}: {first['msg'].removeprefix('Value error, ')}")


def settings_of(service: str) -> type[ServerSettings]:
    """The settings class of a service: UpbotChecksSettings for upbot_checks."""
    module = import_module(f"services.{service}.settings")
    name = "".join(word.capitalize() for word in service.split("_")) + "Settings"
    settings: type[ServerSettings] = getattr(module, name)
    return settings


def variable(settings: type[BaseSettings], field: str) -> str:
    """The environment variable of a field; the first of its names if it has several."""
    if field not in settings.model_fields:
        return field
    alias = settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{settings.model_config.get('env_prefix', '')}{field}".upper()
