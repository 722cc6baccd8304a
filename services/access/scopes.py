"""All scopes, read from the options of the methods in the contracts."""

from collections.abc import Iterable

from google.protobuf.descriptor import ServiceDescriptor

from levelgate.access.v1 import access_pb2, access_tokens_pb2
from levelgate.member.v1 import (
    demotion_pb2,
    member_bulk_pb2,
    member_history_pb2,
    member_level_pb2,
)
from levelgate.shop.v1 import shop_admin_pb2, shop_level_pb2
from levelgate.upbot.v1 import eligibility_pb2, upbot_checks_pb2, user_facts_pb2

_CONTRACTS = (
    access_tokens_pb2,
    demotion_pb2,
    eligibility_pb2,
    member_bulk_pb2,
    member_history_pb2,
    member_level_pb2,
    shop_admin_pb2,
    shop_level_pb2,
    upbot_checks_pb2,
    user_facts_pb2,
)


def services() -> list[ServiceDescriptor]:
    """Every service of the contracts."""
    return [
        service
        for contract in _CONTRACTS
        for service in contract.DESCRIPTOR.services_by_name.values()
    ]


def access_of(services: Iterable[ServiceDescriptor]) -> dict[str, access_pb2.Access]:
    """The access option of each method, by the method's path."""
    return {
        f"/{service.full_name}/{method.name}": method.GetOptions().Extensions[access_pb2.access]
        for service in services
        for method in service.methods
    }


def all_scopes() -> list[str]:
    return sorted({access.scope for access in access_of(services()).values()} - {""})
