"""What may differ between two gateways, read from the environment."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.runtime.settings import Port

_ENDPOINT = re.compile(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?")


def _is_endpoint(value: str) -> str:
    if not _ENDPOINT.fullmatch(value):
        raise ValueError("must be host:port")
    return value


def _are_origins(value: str) -> str:
    for origin in filter(None, value.split(",")):
        if not _ORIGIN.fullmatch(origin.strip()):
            raise ValueError("must be origins as https://shop.example.com, with a comma between")
    return value


Endpoint = Annotated[str, AfterValidator(_is_endpoint)]


class GatewaySettings(BaseSettings):
    """Environment variables that start with GATEWAY_."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", env_ignore_empty=True)

    address: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8080, description="Port for JSON and gRPC.")
    admin_address: str = Field(
        "127.0.0.1", description="Address of Envoy's own pages; whoever reaches it can stop it."
    )
    admin_port: Port = Field(9901, description="Port of Envoy's own pages.")
    upbot_checks: Endpoint = Field(
        "127.0.0.1:50051", description="host:port; a name may stand for several instances."
    )
    member_level: Endpoint = Field("127.0.0.1:50052", description="As above.")
    shop_level: Endpoint = Field("127.0.0.1:50053", description="As above.")
    cors_origins: Annotated[str, NoDecode, AfterValidator(_are_origins)] = Field(
        "", description="Origins whose pages may call, with a comma between; empty: none."
    )
    rate_limit: int = Field(
        20_000, ge=1, le=10_000_000, description="Requests a second; the next gets 429."
    )
    token_rate_limit: int = Field(
        20,
        ge=1,
        le=100_000,
        description="Requests for tokens a second: each costs a service 50 ms for its slow hash.",
    )
    access_log: str = Field("/dev/stdout", description="File for the access log.")
    run_dir: Path = Field(
        Path(".run/gateway"), description="Folder that the configuration is written into."
    )
    drain_seconds: float = Field(
        5.0, ge=0, le=600, description="After SIGTERM: how long requests under way may take."
    )
