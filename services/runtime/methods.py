"""The RPCs that a service answers, as the generated `add_..._to_server` functions register them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

if TYPE_CHECKING:
    # The stubs make it generic; grpcio's own class is not.
    Handler = grpc.RpcMethodHandler[Any, Any]


class Kind(Enum):
    """Which threads answer a method."""

    SHORT = "short"
    """One message in and one out; the work is bounded by a few reads of the store."""
    LONG = "long"
    """One message in and one out; the work may take seconds, so it has threads of its own."""
    STREAM = "stream"
    """A stream may be open for hours, and holds a thread all the while."""
    BUILT_IN = "built-in"
    """Health and reflection: in memory, and open to callers without a token."""


def kind_of(path: str, long: Container[str], *, is_stream: bool) -> Kind:
    """The kind of a method; `long` are the paths of the unary methods that may take seconds."""
    if not path.startswith("/levelgate."):
        return Kind.BUILT_IN
    if is_stream:
        return Kind.STREAM
    return Kind.LONG if path in long else Kind.SHORT


class Method(NamedTuple):
    """One RPC: its path, as "/levelgate.shop.v1.ShopLevel/GetMemberLevels", and its handler."""

    path: str
    handler: Handler
    kind: Kind


class Contract(NamedTuple):
    """What a service promises to answer."""

    services: Sequence[ServiceDescriptor]
    long: frozenset[str] = frozenset()
    """The paths of the unary methods whose work may take seconds."""

    @property
    def names(self) -> list[str]:
        return [service.full_name for service in self.services]

    def methods(self) -> Iterator[tuple[str, MethodDescriptor]]:
        """Each method by its path."""
        for service in self.services:
            for method in service.methods:
                yield f"/{service.full_name}/{method.name}", method


class Methods:
    """Takes the place of a grpc.Server in the generated functions; knows nothing of transports."""

    def __init__(self, long: Iterable[str] = ()) -> None:
        """`long` are the paths of the unary methods that may take seconds."""
        self._long = frozenset(long)
        self._methods: dict[str, Method] = {}

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """The generated functions register everything twice; the other way has the names."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        for name, handler in handlers.items():
            path = f"/{service}/{name}"
            is_stream = handler.request_streaming or handler.response_streaming
            kind = kind_of(path, self._long, is_stream=is_stream)
            self._methods[path] = Method(path, handler, kind)

    def of(self, *kinds: Kind) -> list[Method]:
        """The methods of some kinds."""
        return [method for method in self._methods.values() if method.kind in kinds]

    def all(self) -> list[Method]:
        return list(self._methods.values())

    def as_server(self) -> grpc.Server:
        """For the generated functions, whose types ask for a whole server."""
        return cast(grpc.Server, self)
