"""The settings of `make run`. Every other variable is passed on to the components."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.settings import GatewaySettings
from services.runtime.misspelt import misspelt
from services.runtime.settings import AccessSettings, Port, load, settings_of
from services.store.settings import StoreSettings
from services.suite import SUITE

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]


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
    stack_directory: Path = Field(
        ROOT / ".run", description="Directory for data, logs and stack.json."
    )


class Settings:
    """What this run uses. A wrong setting of any component ends the process with one line."""

    def __init__(self) -> None:
        self.stack = load(StackSettings)
        self.gateway = load(GatewaySettings)
        self.services = {service.name: load(settings_of(service.name)) for service in SUITE}
        for shared in (AccessSettings, StoreSettings):
            load(shared)
        self.directory = self.stack.stack_directory.resolve()
        self.data = self.directory / "valkey"
        self.logs = self.directory / "logs"
        self.has_own_store = self.stack.redis_url is None
        self.store_url = self.stack.redis_url or f"redis://{HOST}:{self.stack.redis_port}/0"

    @property
    def ports(self) -> dict[str, int]:
        """Every port that the stack will listen on, by the variable that sets it."""
        ports = {"GATEWAY_PORT": self.gateway.port, "GATEWAY_ADMIN_PORT": self.gateway.admin_port}
        for name, settings in self.services.items():
            ports[f"{name.upper()}_PORT"] = settings.port
            ports[f"{name.upper()}_METRICS_PORT"] = settings.metrics_port
        if self.has_own_store:
            ports["REDIS_PORT"] = self.stack.redis_port
        return ports

    @property
    def warnings(self) -> list[str]:
        """One line for each variable that looks like a setting of any component but is none."""
        kinds: dict[str, type[BaseSettings]] = {
            "STACK_": StackSettings,
            "REDIS_": StoreSettings,
            "GATEWAY_": GatewaySettings,
            **{f"{name.upper()}_": type(each) for name, each in self.services.items()},
        }
        found = [misspelt(prefix, kind, os.environ) for prefix, kind in kinds.items()]
        return [line for lines in found for line in lines.values()]
