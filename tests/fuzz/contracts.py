"""Every RPC of the contracts with example messages, and every documented JSON request."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from itertools import accumulate
from random import Random
from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from services.runtime.methods import Contract
from services.suite import SUITE
from tests.contract.cases import Case, JsonRequest, all_cases
from tests.contract.placeholders import Values, fill
from tests.fuzz.inputs import secret
from tests.fuzz.values import INTEGERS

_DEPTH = 4
# A longer body takes milliseconds to change, and so does a demotion.
_LONG, _LONG_SHARE = 2_000, 0.01
_EXAMPLES = 12
_WORDS = ["5", "42", "3dfg4df", "joe", "aaa", "bbb", "cfm", "1", "2", "0", "6", "7", "xxxxd3dd"]
_SMALL = (0, 1, 2, 3, 5, 6, 7, 8, 100, 500, 1_200, 1_279, 3_000)


@dataclass(frozen=True)
class Rpc:
    """An RPC with valid messages."""

    path: str
    service: str
    """The process that serves it."""
    is_stream: bool
    sends_stream: bool
    cursor: int
    """The number of the field that holds a cursor; 0 for none."""
    examples: tuple[bytes, ...]


class _Given(dict[str, Any]):
    """A substitute for the reply to a step that is not made here."""

    def __missing__(self, key: str) -> Any:
        secrets = {"access_token": "all", "refresh_token": "refresh"}
        if key in secrets:
            return secret(secrets[key]).decode()
        return _Given() if key == "data" else "1"


VALUES: Values = {
    "token": lambda _scopes: secret("all").decode(),
    "member_token": lambda _argument: secret("member").decode(),
    "appid": lambda _argument: secret("appid").decode(),
    "app_secret": lambda _argument: secret("app_secret").decode(),
    **{f"given_{number}": lambda _argument: _Given() for number in range(1, 5)},
}


@cache
def rpcs() -> tuple[Rpc, ...]:
    documented: dict[str, list[Mapping[str, Any]]] = {}
    for case in all_cases():
        for rpc, request in _grpc_requests(case):
            documented.setdefault(rpc.rpartition("/")[2], []).append(request)
    return tuple(
        Rpc(
            path,
            service,
            method.client_streaming or method.server_streaming,
            method.client_streaming,
            getattr(method.input_type.fields_by_name.get("cursor"), "number", 0),
            _examples(method, documented.get(method.name, [])),
        )
        for service, contract in _contracts().items()
        for path, method in contract.methods()
    )


@cache
def _contracts() -> Mapping[str, Contract]:
    modules = {each.name: f"services.{each.name}.contract" for each in SUITE}
    return {name: import_module(module).CONTRACT for name, module in modules.items()}


# The weights of calls that take a millisecond or longer; the others have weight 1.
_RARELY = {
    "LevelDown": 0.002,
    "WatchLevels": 0.03,
    "PlanDemotion": 0.02,
    "ExportUsers": 0.02,
    "PreviewRules": 0.03,
    "ListAtRisk": 0.1,
    "ListRuleVersions": 0.1,
}


def any_rpc(random: Random) -> Rpc:
    return random.choices(rpcs(), cum_weights=_weights())[0]


@cache
def rpcs_with_cursor() -> tuple[Rpc, ...]:
    return tuple(rpc for rpc in rpcs() if rpc.cursor)


@cache
def _weights() -> list[float]:
    return list(accumulate(_RARELY.get(rpc.path.rpartition("/")[2], 1.0) for rpc in rpcs()))


@cache
def field_names() -> list[bytes]:
    """Every field of every request, in the spelling of the contract and of JSON."""
    names: set[str] = set()
    for contract in _contracts().values():
        for _, method in contract.methods():
            for field in _fields(method.input_type, set()):
                names |= {field.name, field.json_name}
    return sorted(name.encode() for name in names)


def any_json_request(random: Random) -> tuple[JsonRequest, str]:
    """A JSON request of the contract's cases, and its token."""
    short, long = _json_requests()
    return random.choice(long if random.random() < _LONG_SHARE else short)


@cache
def _json_requests() -> tuple[list[tuple[JsonRequest, str]], list[tuple[JsonRequest, str]]]:
    """The quick requests, and the ones that take long to make or to answer."""
    short: list[tuple[JsonRequest, str]] = []
    long: list[tuple[JsonRequest, str]] = []
    for case in all_cases():
        if case.json is not None:
            target, content = fill(case.json.target, VALUES), fill(case.json.content, VALUES)
            filled = replace(case.json, target=target, content=content)
            is_long = len(str(filled.content)) > _LONG or "/leveldown" in filled.target
            (long if is_long else short).append((filled, fill(case.authorization, VALUES)))
    return short, long


def _grpc_requests(case: Case) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if case.grpc is not None and case.rpc:
        yield case.rpc, case.grpc
    for step in (*case.given, *case.then):
        yield step.rpc, step.request


def _fields(message: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        yield field
        if field.message_type is not None:
            yield from _fields(field.message_type, seen)


def _examples(method: MethodDescriptor, documented: list[Mapping[str, Any]]) -> tuple[bytes, ...]:
    kind = message_factory.GetMessageClass(method.input_type)
    random = Random(method.full_name)
    packed = {_filled(random, kind(), _DEPTH).SerializeToString() for _ in range(_EXAMPLES)}
    for request in documented:
        try:
            message = json_format.ParseDict(fill(request, VALUES), kind())
        except json_format.ParseError:
            continue  # It needs the reply to a step that is not made here.
        if message.ByteSize() < 20_000:
            packed.add(message.SerializeToString())
    return tuple(sorted(packed))


def _filled(random: Random, message: Message, depth: int) -> Message:
    """Sets most fields, and any field of a oneof."""
    fields: Iterable[Any] = message.DESCRIPTOR.fields
    for field in fields:
        if random.random() < 0.2 or (field.message_type is not None and depth == 0):
            continue
        if field.is_repeated:
            for _ in range(random.randint(1, 3)):
                _add(random, message, field, depth)
        elif field.message_type is not None:
            _filled(random, getattr(message, field.name), depth - 1)
        else:
            setattr(message, field.name, _scalar(random, field))
    return message


def _add(random: Random, message: Message, field: FieldDescriptor, depth: int) -> None:
    values = getattr(message, field.name)
    if field.message_type is None:
        values.append(_scalar(random, field))
    elif not field.message_type.GetOptions().map_entry:
        _filled(random, values.add(), depth - 1)


def _scalar(random: Random, field: FieldDescriptor) -> Any:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            word = random.choice(_WORDS)
            return word.encode() if field.type == FieldDescriptor.TYPE_BYTES else word
        case FieldDescriptor.CPPTYPE_BOOL:
            return random.random() < 0.5
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return random.choice((0.0, 1.5, float("nan"), float("inf")))
        case FieldDescriptor.CPPTYPE_ENUM:
            return random.randrange(8)
        case _:
            odd = [n for n in INTEGERS if 0 <= n < 2**31]
            return random.choice(_SMALL if random.random() < 0.8 else odd)
