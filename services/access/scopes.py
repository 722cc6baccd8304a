"""All scopes, read from the options of the methods in the contracts."""

import re
from collections.abc import Iterable
from importlib import import_module

from google.protobuf.descriptor import ServiceDescriptor

from levelgate.access.v1 import access_pb2
from services.suite import SUITE


def services() -> list[ServiceDescriptor]:
    """Every proto service of the suite."""
    return [
        descriptor_of(full_name)
        for service in SUITE
        for full_name in (*service.public, *service.internal)
    ]


def descriptor_of(full_name: str) -> ServiceDescriptor:
    """The descriptor of a proto service, which is in the file of the same name.

    For example, levelgate.upbot.v1.UserFacts is in levelgate/upbot/v1/user_facts.proto.
    """
    package, _, name = full_name.rpartition(".")
    file = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    contract = import_module(f"{package}.{file}_pb2")
    descriptor: ServiceDescriptor = contract.DESCRIPTOR.services_by_name[name]
    return descriptor


def access_of(services: Iterable[ServiceDescriptor]) -> dict[str, access_pb2.Access]:
    """The access option of each method, by the method's path."""
    return {
        f"/{service.full_name}/{method.name}": method.GetOptions().Extensions[access_pb2.access]
        for service in services
        for method in service.methods
    }


def all_scopes() -> list[str]:
    return sorted({access.scope for access in access_of(services()).values()} - {""})
