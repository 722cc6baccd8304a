"""Reads the routes of the contracts from a descriptor set."""

from dataclasses import dataclass
from typing import Any

from google.api import annotations_pb2  # noqa: F401  (the pool must know google.api.http)
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_HEAD = """\
<!-- Written by `make generate` from protos/. -->
# All RPCs: internal path and access

The gateway changes the public path of a request to the internal path before it transcodes the
request; most of them are the same. README.md lists the public paths under "The paths".

`-` means that only gRPC has the call. The column *access* has the scope that an app's token needs.
`member`: a member's session token is accepted too. `openable`: `OPEN_FAMILIES` can allow the call
without a token.

| method | internal path | body | RPC | access |
|---|---|---|---|---|
"""


@dataclass(frozen=True, order=True)
class Route:
    """One RPC and its internal path in the gateway, if it has one."""

    rpc: str
    method: str
    path: str
    body: str
    access: str
    request: str

    def line(self) -> str:
        return " ".join((self.method, self.path, self.body, self.rpc, self.access))


def load(descriptor_set: bytes) -> descriptor_pool.DescriptorPool:
    """The descriptors in a pool of their own, separate from those of the program."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
        pool.Add(file)
    return pool


def read_routes(descriptor_set: bytes) -> list[Route]:
    """All RPCs of the levelgate packages, by service and in the order of the contract."""
    pool = load(descriptor_set)
    file_set = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set)
    http_option = pool.FindExtensionByName("google.api.http")
    access_option = pool.FindExtensionByName("levelgate.access.v1.access")
    options_class = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("google.protobuf.MethodOptions")
    )
    routes = []
    for file in file_set.file:
        if not file.package.startswith("levelgate."):
            continue
        for service in file.service:
            for method in service.method:
                # Parsed again, because the options in file_set do not know this pool's extensions.
                options: Any = options_class.FromString(method.options.SerializeToString())
                rpc = f"{file.package}.{service.name}/{method.name}"
                http = options.Extensions[http_option]
                kind = http.WhichOneof("pattern") or ""
                routes.append(
                    Route(
                        rpc=rpc,
                        method=kind.upper() or "-",
                        path=getattr(http, kind) if kind else "-",
                        body=http.body or "-",
                        access=_describe(options.Extensions[access_option]),
                        request=method.input_type.removeprefix("."),
                    )
                )
    return routes


def _describe(access: Any) -> str:
    if access.public:
        return "public"
    marks = [name for name in ("member", "openable") if getattr(access, name)]
    return "+".join([access.scope or "UNDECLARED", *marks])


def route_table(routes: list[Route]) -> str:
    rows = (
        f"| {route.method} | `{route.path}` | {route.body} | `{route.rpc}` | {route.access} |\n"
        for route in routes
    )
    return _HEAD + "".join(rows)
