"""What may differ between two gateways, read from the environment."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.runtime.settings import Port

_ENDPOINT = re.compile(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?")


def _is_address(value: str) -> str:
    ip_address(value)  # Envoy's listeners look up no names
    return value


def _are_endpoints(value: str) -> str:
    for endpoint in value.split(","):
        match = _ENDPOINT.fullmatch(endpoint.strip())
        if not match or not 1 <= int(match[2]) <= 65_535:
            raise ValueError("must be host:port, or several with a comma between")
    return value


def _are_origins(value: str) -> str:
    for origin in filter(None, value.split(",")):
        if not _ORIGIN.fullmatch(origin.strip()):
            raise ValueError("must be origins as https://shop.example.com, with a comma between")
    return value


def _is_plain(value: str) -> str:
    # It is written between quotes of YAML and of Lua, whose search path has ? and ; for itself.
    if set(value) & set("\"'\\?;\n"):
        raise ValueError("must not hold quotes, backslashes, question marks or semicolons")
    return value


Address = Annotated[str, AfterValidator(_is_address)]
Endpoints = Annotated[str, AfterValidator(_are_endpoints)]
PlainPath = Annotated[str, AfterValidator(_is_plain)]


class GatewaySettings(BaseSettings):
    """Environment variables that start with GATEWAY_."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", env_ignore_empty=True)

    address: Address = Field("127.0.0.1", description="IP address to listen on.")
    port: Port = Field(8080, description="Port for JSON and gRPC.")
    admin_address: Address = Field(
        "127.0.0.1",
        description="IP address of Envoy's own pages; whoever reaches it can stop Envoy.",
    )
    admin_port: Port = Field(9901, description="Port of Envoy's own pages.")
    upbot_checks: Endpoints = Field(
        "127.0.0.1:50051",
        description="host:port, or several with a comma between; each address that a name has is"
        " an instance, and names are looked up again every second.",
    )
    member_level: Endpoints = Field("127.0.0.1:50052", description="As above.")
    shop_level: Endpoints = Field("127.0.0.1:50053", description="As above.")
    cors_origins: Annotated[str, NoDecode, AfterValidator(_are_origins)] = Field(
        "", description="Origins whose pages may call, with a comma between; empty: none."
    )
    rate_limit: int = Field(
        20_000,
        ge=1,
        le=10_000_000,
        description="Requests a second, a quarter of them at once; the next gets 429."
        " What the suite can serve (`make drill` measures it) is a good value.",
    )
    token_rate_limit: int = Field(
        50,
        ge=1,
        le=100_000,
        description="Requests for tokens a second, by JSON and gRPC together: nobody needs a token"
        " to make one, and each is a write to the store.",
    )
    worker_threads: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Envoy's threads for requests; empty: one for each core. Each has a connection"
        " of its own to each instance, so fewer of them save CPU there: docs/performance.md.",
    )
    heap_mib: int = Field(
        384,
        ge=128,
        le=1_048_576,
        description="Memory that Envoy may take, in MiB, beside 60 for itself. From 80 % of it the"
        " calls that hold most are ended, from 98 % new ones get 503.",
    )
    access_log: PlainPath = Field("/dev/stdout", description="File for the access log.")
    directory: PlainPath = Field(
        "",
        description="Folder where Envoy finds levelgate.binpb and lua/; empty: this package's.",
    )
    run_dir: Path = Field(
        Path(".run/gateway"), description="Folder that the configuration is written into."
    )
    linger_seconds: int = Field(
        1,
        ge=0,
        le=300,
        description="After SIGTERM: how long new connections are still taken while /healthz says"
        " 503, so that load balancers notice before they are refused.",
    )
    drain_seconds: float = Field(
        5.0, ge=0, le=600, description="After that: how long requests under way may take."
    )
