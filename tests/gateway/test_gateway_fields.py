"""Every field of every JSON call, read from the descriptor set, so that a new field is tested too.

A value of another shape than the contract has is a parameter error. The transcoder would accept
most of them: it flattens lists, drops nulls in them, and reads an object as a list of one object.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict

from tests.gateway.families import BAD, FORM, MEMBER, SHOP, SHOP_PAGE, UPBOT, Family, answered
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream
from tools.routes import Route, load, read_routes

DESCRIPTORS = (Path(__file__).parents[2] / "gateway" / "levelgate.binpb").read_bytes()
POOL = load(DESCRIPTORS)
TIME = "2026-11-21T12:00:00Z"

# A valid value as JSON, and values of the wrong shape, by the type that the field has in JSON.
VALID = {"number": "7", "text": '"a"', "flag": "true", "time": f'"{TIME}"', "object": "{}"}
WRONG = {
    "number": ['"x"', '""', "1.5", "true", "{}", "[1]", "[[1]]", "1e99"],
    "text": ["5", "true", "{}", '["a"]', '[["a"]]', "[]"],
    "flag": ['"x"', "5", "{}", "[true]", "[]"],
    "time": ['"x"', '""', "5", "{}", f'["{TIME}"]'],
    "object": ['"x"', "5", "true", "[{}]", "[]", "[[{}]]", "[null]"],
}
KINDS = {
    **dict.fromkeys((FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64), "number"),
    FieldDescriptor.CPPTYPE_STRING: "text",
    FieldDescriptor.CPPTYPE_BOOL: "flag",
}


def kind_of(field: FieldDescriptor) -> str:
    if field.message_type is None:
        return KINDS[field.cpp_type]
    return "time" if field.message_type.full_name == "google.protobuf.Timestamp" else "object"


@dataclass(frozen=True)
class Place:
    """A field of a call; `around` is the JSON around its member, as in `{"condition":{%s}}`."""

    route: Route
    field: FieldDescriptor
    around: str

    @property
    def name(self) -> str:
        return self.field.json_name

    @property
    def is_nested(self) -> bool:
        return self.around != "{%s}"

    @property
    def family(self) -> Family:
        return UPBOT if self.route.path.startswith("/upbot/") else MEMBER

    def __str__(self) -> str:
        return f"{self.route.rpc.rpartition('/')[2]} {self.around % self.name}"

    @property
    def valid(self) -> str:
        """A value as JSON that the contract accepts."""
        value = VALID[kind_of(self.field)]
        return f"[{value}]" if self.field.is_repeated else value

    @property
    def wrong(self) -> list[str]:
        """Values as JSON that the contract does not accept."""
        wrong = WRONG[kind_of(self.field)]
        if not self.field.is_repeated:
            return wrong
        valid = VALID[kind_of(self.field)]
        in_list = [f"[{valid},{item}]" for item in (self.valid, "null", "[]", *wrong)]
        # A single scalar is read as a list of one value. A single object is not.
        alone = [each for each in wrong if not each.startswith("[")]
        return in_list + alone + ([valid] if kind_of(self.field) == "object" else [])

    @property
    def joins(self) -> bool:
        """Whether the values are joined if the field is given twice."""
        return self.field.is_repeated and kind_of(self.field) != "object"

    def members(self, value: str) -> Iterator[str]:
        """The field given once, by each of its spellings."""
        yield from (f'"{name}":{value}' for name in {self.name, self.field.name})

    def send(self, gateway: Gateway, query: str = "", **options: object) -> httpx.Response:
        path = self.route.path.replace("{user_id}", "7").removeprefix("/upgrade")
        return gateway.client.request(self.route.method, path + query, **options)  # type: ignore[arg-type]

    def assert_refused(self, upstream: Upstream, reply: httpx.Response, what: str) -> None:
        status, text = answered(reply)
        if self.family is UPBOT:
            assert (status, text) == (200, UPBOT.failure(1001, BAD)), what
        else:
            # From the outermost field on, as in "rules[0].vipLevel".
            outermost = next(iter(json.loads(self.around % "")), self.name)
            named = json.loads(text)["msg"].removeprefix(f"{BAD}: ")
            assert (status, named.partition("[")[0]) == (200, outermost), what
        assert upstream.calls == [], what


def places(route: Route) -> Iterator[Place]:
    yield from _places(route, POOL.FindMessageTypeByName(route.request), "{%s}", set())


def _places(route: Route, message: Descriptor, around: str, seen: set[str]) -> Iterator[Place]:
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        if f"{{{field.name}}}" in route.path:
            continue  # It is in the path, and ignored in a body.
        yield Place(route, field, around)
        if field.message_type is not None and kind_of(field) == "object":
            inner = around % f'"{field.json_name}":{"[{%s}]" if field.is_repeated else "{%s}"}'
            yield from _places(route, field.message_type, inner, seen)


ROUTES = [route for route in read_routes(DESCRIPTORS) if route.path != "-"]
PLACES = {
    route: found
    for route in ROUTES
    if "/shop/" not in route.path and (found := list(places(route)))
}
PARAMETERS = {
    route: parameters
    for route, found in PLACES.items()
    if (parameters := [each for each in found if each.family is MEMBER and not each.is_nested])
}
# The first field of each shape. The rules of the filter know a field only by its shape.
SHAPES = {
    (place.family.name, kind_of(place.field), place.field.is_repeated): place
    for found in reversed(list(PLACES.values()))
    for place in reversed(found)
}
OF_SHOP = [each for route in ROUTES if "/shop/" in route.path for each in places(route)]


def rpc_of(route: Route) -> str:
    return route.rpc.rpartition("/")[2]


@pytest.mark.parametrize("route", PLACES, ids=rpc_of)
def test_every_field_arrives_by_each_of_its_spellings(
    gateway: Gateway, upstream: Upstream, route: Route
) -> None:
    for place in PLACES[route]:
        for member in place.members(place.valid):
            upstream.calls.clear()
            reply = place.send(gateway, content=(place.around % member).encode())
            assert reply.status_code == 200, member
            (call,) = upstream.calls
            assert call.rpc == rpc_of(route)
            assert f'"{place.name}"' in json.dumps(MessageToDict(call.request)), member


@pytest.mark.parametrize("route", PLACES, ids=rpc_of)
def test_every_field_is_refused_if_its_value_is_wrong_or_in_a_list_or_given_twice(
    gateway: Gateway, upstream: Upstream, route: Route
) -> None:
    for place in PLACES[route]:
        wrong = [f'"{place.name}":{value}' for value in (place.wrong[0], f"[{place.valid}]")]
        if not place.joins:
            wrong += [f'"{place.name}":{place.valid},{m}' for m in place.members(place.valid)]
        for member in wrong:
            reply = place.send(gateway, content=(place.around % member).encode())
            place.assert_refused(upstream, reply, member)


@pytest.mark.parametrize("place", SHAPES.values(), ids=str)
def test_every_wrong_value_of_a_shape_is_refused(
    gateway: Gateway, upstream: Upstream, place: Place
) -> None:
    for value in place.wrong:
        for member in place.members(value):
            reply = place.send(gateway, content=(place.around % member).encode())
            place.assert_refused(upstream, reply, member)


@pytest.mark.parametrize("route", PARAMETERS, ids=rpc_of)
def test_every_parameter_arrives_from_a_query_and_from_a_form(
    gateway: Gateway, upstream: Upstream, route: Route
) -> None:
    for place in PARAMETERS[route]:
        if kind_of(place.field) == "object":
            continue
        value = f"{place.name}={json.loads(VALID[kind_of(place.field)])}"
        sources: tuple[dict[str, Any], ...] = (
            {"query": f"?{value}"},
            {"content": value, "headers": FORM},
        )
        for source in sources:
            upstream.calls.clear()
            assert place.send(gateway, **source).status_code == 200, value
            (call,) = upstream.calls
            assert f'"{place.name}"' in json.dumps(MessageToDict(call.request)), value


@pytest.mark.parametrize("route", PARAMETERS, ids=rpc_of)
def test_every_parameter_is_refused_if_it_is_wrong_or_given_twice(
    gateway: Gateway, upstream: Upstream, route: Route
) -> None:
    for place in PARAMETERS[route]:
        kind, name, other = kind_of(place.field), place.name, place.field.name
        valid = json.loads(VALID[kind])
        wrong = [f"{name}=", f"{other}=x", f"{name}=%5B%5D", f"{name}"] if kind != "text" else []
        if not place.field.is_repeated:
            wrong += [f"{name}={valid}&{name}={valid}", f"{name}={valid}&{other}={valid}"]
            twice = place.send(
                gateway, f"?{name}={valid}", content=f"{other}={valid}", headers=FORM
            )
            place.assert_refused(upstream, twice, "query and form")
            body = f'{{"{other}":{VALID[kind]}}}'.encode()
            twice = place.send(gateway, f"?{name}={valid}", content=body)
            place.assert_refused(upstream, twice, "query and JSON")
        for query in wrong:
            place.assert_refused(upstream, place.send(gateway, f"?{query}"), query)
            reply = place.send(gateway, content=query.encode(), headers=FORM)
            place.assert_refused(upstream, reply, query)


@pytest.mark.parametrize("place", OF_SHOP, ids=str)
def test_a_parameter_of_the_shop_arrives_and_is_refused_if_it_is_given_twice(
    gateway: Gateway, upstream: Upstream, place: Place
) -> None:
    query = f"{SHOP}&{place.name}=1"
    gateway.client.get(query)
    (call,) = upstream.calls
    assert MessageToDict(call.request) == {place.name: "1"}
    upstream.calls.clear()
    reply = gateway.client.get(f"{query}&{place.name}=1")
    assert answered(reply) == (200, SHOP_PAGE.failure(1001, f"{BAD}: {place.name}"))
    assert upstream.calls == []
