"""The RPCs of a service, as the generated `add_..._to_server` functions register them."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, cast

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor


class Kind(Enum):
    """Which threads answer a method."""

    SHORT = "short"
    """One message in and one out; the work is bounded by a few reads of the store."""
    LONG = "long"
    """One message in and one out; the work may take seconds, so it has separate threads."""
    STREAM = "stream"
    """A stream may be open for hours, and occupies a thread for all of that time."""
    BUILT_IN = "built-in"
    """Health and reflection: answered from memory, without a token."""


def kind_of(path: str, long: Container[str], *, is_stream: bool) -> Kind:
    """The kind of a method; `long` are the paths of the unary methods that may take seconds."""
    if not path.startswith("/levelgate."):
        return Kind.BUILT_IN
    if is_stream:
        return Kind.STREAM
    return Kind.LONG if path in long else Kind.SHORT


class Method(NamedTuple):
    """One RPC."""

    path: str
    """As "/levelgate.shop.v1.ShopLevel/GetMemberLevels"."""
    handler: Any
    """A grpc.RpcMethodHandler; the kind of the method determines which of its fields are set."""
    kind: Kind


class Contract(NamedTuple):
    """The proto services that a service implements."""

    services: Sequence[ServiceDescriptor]
    long: frozenset[str] = frozenset()
    """The paths of the unary methods that may take seconds."""

    @property
    def names(self) -> list[str]:
        return [service.full_name for service in self.services]

    def methods(self) -> Iterator[tuple[str, MethodDescriptor]]:
        """Yields each method with its path."""
        for service in self.services:
            for method in service.methods:
                yield f"/{service.full_name}/{method.name}", method


class Methods:
    """Collects methods from the generated functions, in place of a grpc.Server.

    It is independent of the transport that serves them.
    """

    def __init__(self, long: Iterable[str] = ()) -> None:
        """`long` are the paths of the unary methods that may take seconds."""
        self._long = frozenset(long)
        self._methods: dict[str, Method] = {}

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Ignores them: the generated functions also register the same methods by name."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        for name, handler in handlers.items():
            path = f"/{service}/{name}"
            is_stream = handler.request_streaming or handler.response_streaming
            kind = kind_of(path, self._long, is_stream=is_stream)
            self._methods[path] = Method(path, handler, kind)

    def of(self, *kinds: Kind) -> list[Method]:
        return [method for method in self._methods.values() if method.kind in kinds]

    def all(self) -> list[Method]:
        return list(self._methods.values())

    def as_server(self) -> grpc.Server:
        """For the generated functions, whose annotations require a grpc.Server."""
        return cast(grpc.Server, self)
