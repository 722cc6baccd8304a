"""Checks every RPC with every kind of credential, by gRPC and JSON.

The expected outcome comes from the `access` option of the RPC, the JSON request from its
`google.api.http` option.
"""

import http.client
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from google.api import annotations_pb2

from levelgate.access.v1 import access_pb2
from services.access.apps import Apps
from services.access.scopes import access_of, all_scopes, services
from services.access.secrets import digest, new_secret
from services.access.tokens import LIVE_PAIRS, Tokens
from services.store import keys
from services.store.store import Store
from services.suite import SUITE
from tests.stack.waiting import until
from tests.support.raw_calls import statuses
from tests.support.running import RunningStack

ACCESS = access_of(services())
METHODS = {
    f"/{service.full_name}/{method.name}": method
    for service in services()
    for method in service.methods
}
# Operators call these at the services' own ports.
INTERNAL = {name for service in SUITE for name in service.internal}
SERVICE_OF = {
    name: service.name for service in SUITE for name in (*service.public, *service.internal)
}
OPEN_FAMILIES = ("member", "shop")

GRANTED, NO_TOKEN, NO_SCOPE, ABSENT = "granted", "UNAUTHENTICATED", "PERMISSION_DENIED", "absent"
# No message of the contracts begins like this. It is decoded after the caller was admitted, so a
# call that is admitted fails without an effect.
UNDECODABLE = b"\xff\xff\xff"

# Lua rewrites these targets to the paths of the contract.
PUBLIC_TARGETS = {
    "/levelgate.member.v1.MemberLevel/UpgradeUser": "/userlevel/matrix?point=1",
    "/levelgate.shop.v1.ShopLevel/GetMemberLevels": "/?route=member.member-level.index&uid=matrix",
}


class Credential(NamedTuple):
    """The values of `authorization`, and their scopes; None without a valid token."""

    values: tuple[bytes, ...]
    scopes: frozenset[str] | None = None
    member: bool = False


def ended_tokens(store: Store) -> Mapping[str, str]:
    apps, tokens = Apps(store), Tokens(store)

    def issued(appid: str) -> str:
        app = apps.get(appid)
        assert app is not None
        pair = tokens.issue(app)
        assert pair is not None
        return pair.access_token

    names = {name: f"{name}-{new_secret()}" for name in ("expired", "evicted", "of a revoked app")}
    for appid in names.values():
        apps.create(appid, all_scopes())
    ended = {name: issued(appid) for name, appid in names.items()}
    store.delete(keys.token(digest(ended["expired"])))
    for _ in range(LIVE_PAIRS):
        issued(names["evicted"])
    apps.revoke(names["of a revoked app"])
    return ended


def credentials(stack: RunningStack) -> Iterator[tuple[str, Mapping[str, Credential]]]:
    """Yields each RPC with every kind of credential; some of these depend on its scope."""
    everything = all_scopes()
    same = {
        "none": Credential(()),
        "unknown": Credential((new_secret().encode(),)),
        "not ASCII": Credential((stack.token.encode() + b"\xe9",)),
        "too long": Credential((stack.token.encode() * 20,)),
        "two tokens": Credential((stack.token.encode(), stack.token_with("shop:read").encode())),
        "the same token twice": Credential(
            (stack.token.encode(), b"Bearer " + stack.token.encode()), frozenset(everything)
        ),
        "a member's": Credential((stack.member_token.encode(),), frozenset(), member=True),
    }
    same |= {
        name: Credential((token.encode(),)) for name, token in ended_tokens(stack.store).items()
    }
    for path, access in ACCESS.items():
        others = [scope for scope in everything if scope != access.scope]
        held = {
            "the scope": [access.scope] if access.scope else [],
            "another scope": others[:1],
            "all other scopes": others,
        }
        good = {
            name: Credential((stack.token_with(" ".join(scopes)).encode(),), frozenset(scopes))
            for name, scopes in held.items()
            if scopes
        }
        yield path, same | good


def expected(path: str, credential: Credential, *, is_open: bool) -> str:
    access: access_pb2.Access = ACCESS[path]
    opened = is_open and access.openable and path.split(".")[1] in OPEN_FAMILIES
    if access.public or (opened and not credential.values):
        return GRANTED
    if credential.scopes is None:
        return NO_TOKEN
    holds = access.member if credential.member else access.scope in credential.scopes
    return GRANTED if holds or opened else NO_SCOPE


# By the path of the RPC and the name of the credential.
Cell = tuple[str, str]
Matrix = dict[Cell, str]


# The gateway itself refuses a value that cannot be a token, even if no token is needed.
REFUSED_AT_THE_GATEWAY = {(path, "not ASCII"): NO_TOKEN for path in ACCESS}


class Stage(NamedTuple):
    """A stack, the calls to it, and the expected outcomes where the RPC is served."""

    stack: RunningStack
    cells: Mapping[Cell, Credential]
    expected: Matrix


@pytest.fixture(scope="module", params=["closed", "open"])
def stage(request: pytest.FixtureRequest) -> Stage:
    is_open = request.param == "open"
    stack: RunningStack = request.getfixturevalue("open_stack" if is_open else "stack")
    cells = {
        (path, name): credential
        for path, kinds in credentials(stack)
        for name, credential in kinds.items()
    }
    outcomes = {cell: expected(cell[0], cells[cell], is_open=is_open) for cell in cells}
    return Stage(stack, cells, outcomes)


def outcome_of_all(stage: Stage, ask: Callable[[Sequence[Cell]], Matrix]) -> Matrix:
    """Repeats the calls for which the store was late, as happens on a busy machine."""
    found = ask(list(stage.cells))

    def is_settled() -> bool:
        late = [cell for cell, outcome in found.items() if outcome in {"UNAVAILABLE", "503"}]
        found.update(ask(late))
        return not late

    until(is_settled, "the store answers", seconds=20)
    return found


def by_grpc(stage: Stage, address_of: Mapping[str, str], asked: Sequence[Cell]) -> Matrix:
    found: Matrix = {}
    for address in set(address_of.values()):
        cells = [cell for cell in asked if address_of[cell[0]] == address]
        calls = [(cell[0], headers_of(stage.cells[cell]), UNDECODABLE) for cell in cells]
        found |= dict(zip(cells, statuses(address, calls), strict=True))
    outcomes = {"INVALID_ARGUMENT": GRANTED, "UNIMPLEMENTED": ABSENT}
    return {cell: outcomes.get(code, code) for cell, code in found.items()}


def headers_of(credential: Credential) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", value) for value in credential.values]


def is_for_operators(path: str) -> bool:
    return path.split("/")[1] in INTERNAL


def test_every_credential_has_its_outcome_on_the_services_own_ports(stage: Stage) -> None:
    addresses = {path: stage.stack.grpc[SERVICE_OF[path.split("/")[1]]] for path in ACCESS}
    assert outcome_of_all(stage, partial(by_grpc, stage, addresses)) == stage.expected


def test_every_credential_has_its_outcome_by_grpc_through_the_gateway(stage: Stage) -> None:
    addresses = dict.fromkeys(ACCESS, urlsplit(stage.stack.gateway).netloc)
    found = outcome_of_all(stage, partial(by_grpc, stage, addresses))
    there = {
        cell: ABSENT if is_for_operators(cell[0]) else outcome
        for cell, outcome in stage.expected.items()
    }
    assert found == there | REFUSED_AT_THE_GATEWAY


def json_request(path: str) -> tuple[str, str]:
    """The method and target of an RPC by JSON; the path of gRPC if it has none."""
    rule = METHODS[path].GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    if verb is None:
        return "POST", path
    target = re.sub(r"{\w+}", "matrix", getattr(rule, verb))
    return verb.upper(), PUBLIC_TARGETS.get(path, target)


def by_json(stage: Stage, asked: Sequence[Cell]) -> Matrix:
    outcomes = {401: NO_TOKEN, 403: NO_SCOPE, 404: ABSENT, 200: GRANTED}
    found: Matrix = {}
    connection = http.client.HTTPConnection(urlsplit(stage.stack.gateway).netloc, timeout=20)
    with closing(connection):
        for cell in asked:
            verb, target = json_request(cell[0])
            body = b"{}" if verb == "POST" else b""
            connection.putrequest(verb, target)
            for name, value in headers_of(stage.cells[cell]):
                connection.putheader(name, value)
            connection.putheader("content-type", "application/json")
            connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            with connection.getresponse() as response:
                response.read()
            found[cell] = outcomes.get(response.status, str(response.status))
    return found


def test_every_credential_has_its_outcome_by_json(stage: Stage) -> None:
    try:
        found = outcome_of_all(stage, partial(by_json, stage))
    finally:
        stage.stack.reset()
    assert found == {
        cell: ABSENT if json_request(cell[0])[1] == cell[0] else outcome
        for cell, outcome in (stage.expected | REFUSED_AT_THE_GATEWAY).items()
    }
