"""Calls any RPC of the contracts by its name, with its request in proto-JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from services.access.scopes import services as all_services
from services.suite import SUITE
from tests.contract.cases import NO_TOKEN

_SECONDS = 10

OK = "OK"
DOMAIN = "levelgate"


@dataclass(frozen=True)
class Outcome:
    """The result of a call: a reply as JSON, or a status with its details."""

    status: str
    reply: Mapping[str, Any] | None = None
    domain: str = ""
    reason: str = ""
    field: str = ""


class GrpcClient:
    """Channels to one stack, opened once."""

    def __init__(self, gateway: str, services: Mapping[str, str]) -> None:
        addresses = {urlsplit(gateway).netloc, *services.values()}
        self._channels = {address: grpc.insecure_channel(address) for address in addresses}
        self._methods = dict(_methods(urlsplit(gateway).netloc, services))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for channel in self._channels.values():
            channel.close()

    def call(self, rpc: str, request: Mapping[str, Any], authorization: str) -> Outcome:
        """Calls an RPC by its full name, or by the last part of it, which is unique."""
        method, address = self._methods[rpc.rpartition("/")[2]]
        message = message_factory.GetMessageClass(method.input_type)()
        json_format.ParseDict(dict(request), message)
        invoke: grpc.UnaryUnaryMultiCallable[Any, Any] = self._channels[address].unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        metadata = () if authorization == NO_TOKEN else (("authorization", authorization),)
        try:
            reply = invoke(message, timeout=_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return _failed(error)
        return Outcome(
            OK,
            _as_printed(
                json_format.MessageToDict(reply, always_print_fields_with_no_presence=True)
            ),
        )

    def proto_field(self, rpc: str, json_path: str) -> str:
        """The field's path in the message: `vip_level` for `vipLevel`."""
        method, _ = self._methods[rpc.rpartition("/")[2]]
        return ".".join(_proto_names(method.input_type, json_path.split(".")))


def _methods(
    gateway: str, services: Mapping[str, str]
) -> Iterator[tuple[str, tuple[MethodDescriptor, str]]]:
    descriptors = {service.full_name: service for service in all_services()}
    for service in SUITE:
        addresses = dict.fromkeys(service.public, gateway)
        # Operators call these at the service's own port.
        addresses |= dict.fromkeys(service.internal, services[service.name])
        for name, address in addresses.items():
            for method in descriptors[name].methods:
                yield method.name, (method, address)


def _proto_names(message: Descriptor | None, json_names: list[str]) -> Iterator[str]:
    for json_name in json_names:
        fields = {} if message is None else {field.json_name: field for field in message.fields}
        name, bracket, position = json_name.partition("[")
        field = fields[name]
        message = field.message_type
        yield f"{field.name}{bracket}{position}"


def _failed(error: Any) -> Outcome:
    # grpcio raises errors that are also a grpc.Call; its types do not say so.
    status = rpc_status.from_call(error)
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in [] if status is None else status.details:
        detail.Unpack(info)
        detail.Unpack(request)
    violations = request.field_violations
    return Outcome(
        error.code().name,
        domain=info.domain,
        reason=info.reason,
        field=violations[0].field if violations else "",
    )


def _as_printed(reply: Any) -> Any:
    """Renames the key that the gateway prints under another name: goods in shop_level.proto."""
    if isinstance(reply, dict):
        return {name.removesuffix("_other_shape"): _as_printed(reply[name]) for name in reply}
    if isinstance(reply, list):
        return [_as_printed(item) for item in reply]
    return reply
