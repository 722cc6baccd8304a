"""The routes are the contract with clients; `buf breaking` does not see a changed path."""

import difflib
from pathlib import Path

from tools.routes import read_routes

ROOT = Path(__file__).parents[2]
DESCRIPTORS = ROOT / "gateway" / "levelgate.binpb"
GOLDEN = Path(__file__).with_name("routes.golden")

HOW_TO_ACCEPT = f"""
The routes differ from {GOLDEN.relative_to(ROOT)}: this changes the public contract.
Clients that call a route that was changed or removed will fail. If that is intended, accept
the new lines with

    python -m tests.contract.accept_routes

and say in the commit what clients have to do."""


def test_the_routes_are_those_that_clients_know() -> None:
    known = GOLDEN.read_text().splitlines()
    change = list(difflib.unified_diff(known, current_lines(), "clients know", "now", lineterm=""))
    assert not change, "\n".join([HOW_TO_ACCEPT, "", *change])


def test_every_rpc_declares_who_may_call_it() -> None:
    routes = read_routes(DESCRIPTORS.read_bytes())
    assert routes
    assert [route.rpc for route in routes if route.access.startswith("UNDECLARED")] == []


def test_no_two_rpcs_have_one_route() -> None:
    # Envoy accepts such a pair silently and never calls the second.
    routes = [(route.method, route.path) for route in read_routes(DESCRIPTORS.read_bytes())]
    public = [route for route in routes if route != ("-", "-")]
    assert len(set(public)) == len(public)


def current_lines() -> list[str]:
    return sorted(route.line() for route in read_routes(DESCRIPTORS.read_bytes()))
