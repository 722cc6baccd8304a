"""Every field of every JSON call, from the descriptor set: a new one is tested from its first day.

A value of another shape than the contract's is a parameter error, for the transcoder would make
something of most of them: it flattens lists, drops nulls in them, and takes an object for a list.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict

from tests.gateway.families import BAD, MEMBER, SHOP, SHOP_PAGE, UPBOT, Family, answered
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream
from tools.routes import Route, load, read_routes

DESCRIPTORS = (Path(__file__).parents[2] / "gateway" / "levelgate.binpb").read_bytes()
POOL = load(DESCRIPTORS)
FORM = {"content-type": "application/x-www-form-urlencoded"}
TIME = "2026-11-21T12:00:00Z"

# A value as JSON, and values of the wrong shape, by what JSON writes for the field's type.
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

    def wrong(self) -> Iterator[str]:
        kind = kind_of(self.field)
        if not self.field.is_repeated:
            yield from WRONG[kind]
            return
        valid = VALID[kind]
        yield from (f"[{valid},{item}]" for item in ("null", f"[{valid}]", "[]", *WRONG[kind]))
        # A lone scalar is a list of one, an object is not.
        yield from (wrong for wrong in WRONG[kind] if not wrong.startswith("["))
        yield from [VALID[kind]] if kind == "object" else []

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
            continue  # The path has it; a body's is ignored.
        yield Place(route, field, around)
        if field.message_type is not None and kind_of(field) == "object":
            inner = around % f'"{field.json_name}":{"[{%s}]" if field.is_repeated else "{%s}"}'
            yield from _places(route, field.message_type, inner, seen)


ROUTES = [route for route in read_routes(DESCRIPTORS) if route.path != "-"]
PLACES = [each for route in ROUTES if "/shop/" not in route.path for each in places(route)]
OF_SHOP = [each for route in ROUTES if "/shop/" in route.path for each in places(route)]

in_json = pytest.mark.parametrize("place", PLACES, ids=str)
in_query = pytest.mark.parametrize(
    "place", [each for each in PLACES if each.family is MEMBER and not each.is_nested], ids=str
)


@in_json
def test_a_value_arrives(gateway: Gateway, upstream: Upstream, place: Place) -> None:
    valid = VALID[kind_of(place.field)]
    for member in place.members(f"[{valid}]" if place.field.is_repeated else valid):
        upstream.calls.clear()
        assert place.send(gateway, content=(place.around % member).encode()).status_code == 200
        (call,) = upstream.calls
        assert call.rpc == place.route.rpc.rpartition("/")[2]
        assert f'"{place.name}"' in json.dumps(MessageToDict(call.request))


@in_json
def test_a_value_of_the_wrong_shape_is_refused(
    gateway: Gateway, upstream: Upstream, place: Place
) -> None:
    for value in place.wrong():
        for member in place.members(value):
            reply = place.send(gateway, content=(place.around % member).encode())
            place.assert_refused(upstream, reply, member)


@in_json
def test_a_value_given_twice_is_refused(gateway: Gateway, upstream: Upstream, place: Place) -> None:
    if place.field.is_repeated and kind_of(place.field) != "object":
        return  # Lists of scalars are joined.
    valid = VALID[kind_of(place.field)]
    valid = f"[{valid}]" if place.field.is_repeated else valid
    for member in place.members(valid):
        twice = f'"{place.name}":{valid},{member}'
        reply = place.send(gateway, content=(place.around % twice).encode())
        place.assert_refused(upstream, reply, twice)


@in_query
def test_a_wrong_parameter_of_a_query_or_a_form_is_refused(
    gateway: Gateway, upstream: Upstream, place: Place
) -> None:
    kind, name, other = kind_of(place.field), place.name, place.field.name
    valid = json.loads(VALID[kind])
    wrong = [f"{name}=", f"{other}=x", f"{name}=%5B%5D", f"{name}"] if kind != "text" else []
    if not place.field.is_repeated:
        wrong += [f"{name}={valid}&{name}={valid}", f"{name}={valid}&{other}={valid}"]
        reply = place.send(gateway, f"?{name}={valid}", content=f"{other}={valid}", headers=FORM)
        place.assert_refused(upstream, reply, "query and form")
        body = f'{{"{other}":{VALID[kind]}}}'.encode()
        reply = place.send(gateway, f"?{name}={valid}", content=body)
        place.assert_refused(upstream, reply, "query and JSON")
    for query in wrong:
        place.assert_refused(upstream, place.send(gateway, f"?{query}"), query)
        reply = place.send(gateway, content=query.encode(), headers=FORM)
        place.assert_refused(upstream, reply, query)


@pytest.mark.parametrize("place", OF_SHOP, ids=str)
def test_a_parameter_of_the_shop_arrives_once(
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
