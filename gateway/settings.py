"""The settings of the gateway, read from the environment."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, create_model
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.runtime.settings import Port
from services.suite import SUITE

_ENDPOINT = re.compile(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?")


def _is_address(value: str) -> str:
    ip_address(value)  # A listener of Envoy does not resolve names.
    return value


def _are_endpoints(value: str) -> str:
    for endpoint in value.split(","):
        match = _ENDPOINT.fullmatch(endpoint.strip())
        if not match or not 1 <= int(match[2]) <= 65_535:
            raise ValueError("must be host:port, or several of these separated by commas")
    return value


def _are_origins(value: str) -> str:
    for origin in filter(None, value.split(",")):
        if not _ORIGIN.fullmatch(origin.strip()):
            raise ValueError("must be origins like https://shop.example.com, separated by commas")
    return value


def _is_plain(value: str) -> str:
    # It is written inside quotes of YAML and of Lua. In Lua's search path ? and ; have a meaning.
    if set(value) & set("\"'\\?;\n"):
        raise ValueError("must not contain quotes, backslashes, question marks or semicolons")
    return value


Address = Annotated[str, AfterValidator(_is_address)]
Endpoints = Annotated[str, AfterValidator(_are_endpoints)]
PlainPath = Annotated[str, AfterValidator(_is_plain)]


class CommonSettings(BaseSettings):
    """Environment variables that start with GATEWAY_, except the services' endpoints."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", env_ignore_empty=True)

    address: Address = Field("127.0.0.1", description="IP address to listen on.")
    port: Port = Field(8080, description="Port for JSON and gRPC.")
    admin_address: Address = Field(
        "127.0.0.1",
        description="IP address of Envoy's admin pages. Everyone who can reach it can stop Envoy.",
    )
    admin_port: Port = Field(9901, description="Port of Envoy's admin pages.")
    cors_origins: Annotated[str, NoDecode, AfterValidator(_are_origins)] = Field(
        "", description="Origins whose pages may call, separated by commas. Empty: none."
    )
    rate_limit: int = Field(
        20_000,
        ge=1,
        le=10_000_000,
        description="Requests a second, a quarter of them at once. Further requests get 429."
        " A good value is what the suite can serve, which `make drill` measures.",
    )
    token_rate_limit: int = Field(
        50,
        ge=1,
        le=100_000,
        description="Requests for tokens a second, JSON and gRPC together. These calls need no"
        " token, and each of them writes to the store.",
    )
    worker_threads: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Envoy's threads for requests. Empty: one for each core. Each thread has its"
        " own connection to each instance, so fewer threads save CPU in the services:"
        " docs/performance.md.",
    )
    heap_mib: int = Field(
        384,
        ge=128,
        le=1_048_576,
        description="Memory in MiB that Envoy may use for requests, in addition to 60 MiB for"
        " itself. Above 80 % of it the calls that hold most memory are ended, above 98 % new calls"
        " get 503.",
    )
    access_log: PlainPath = Field("/dev/stdout", description="File for the access log.")
    directory: PlainPath = Field(
        "",
        description="Directory where Envoy finds levelgate.binpb, lua/ and web/. Empty: that of the"
        " package `gateway`.",
    )
    web: bool = Field(
        True,
        description="Whether the gateway serves the pages for people: /docs, /console and"
        " /openapi.json. They need no token; their calls do.",
    )
    run_dir: Path = Field(
        Path(".run/gateway"), description="Directory that the configuration is written to."
    )
    linger_seconds: int = Field(
        1,
        ge=0,
        le=300,
        description="After SIGTERM: how long new connections are still accepted while /healthz"
        " says 503, so that load balancers stop sending requests before they are refused.",
    )
    drain_seconds: float = Field(
        5.0, ge=0, le=600, description="After that: how long requests in progress may take."
    )

    @property
    def endpoints(self) -> dict[str, str]:
        """The endpoints of each service, by its name."""
        return {service.name: getattr(self, service.name) for service in SUITE}


def _endpoints_of_each_service() -> dict[str, Any]:
    return {
        service.name: (
            Endpoints,
            Field(
                f"127.0.0.1:{service.port}",
                description=f"Where {service.name} is: host:port, or several of these separated by"
                " commas. Every address of a name is an instance. Names are resolved every second.",
            ),
        )
        for service in SUITE
    }


GatewaySettings = create_model(
    "GatewaySettings",
    __base__=CommonSettings,
    __doc__="Environment variables that start with GATEWAY_.",
    **_endpoints_of_each_service(),
)
