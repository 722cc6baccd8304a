"""Which pages of other origins may call."""

import pytest

from tests.gateway.conftest import ORIGIN
from tests.gateway.families import SHOP
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream

CORS_URLS = ["/upbot/api/CheckStarState", "/userlevel/7", "/vipBiz", SHOP]


EXPOSED = [
    "x-request-id",
    "x-levelgate-reason",
    "x-levelgate-field",
    "retry-after",
    "x-levelgate-affected-members",
]


@pytest.mark.parametrize("url", CORS_URLS)
def test_a_listed_origin_may_call(gateway: Gateway, upstream: Upstream, url: str) -> None:
    asks = {"origin": ORIGIN, "access-control-request-method": "POST"}
    preflight = gateway.client.options(url, headers=asks)
    assert preflight.status_code == 200
    assert preflight.text == ""
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert preflight.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    assert upstream.calls == []
    # The reply to the call itself has it too, even an error; otherwise a page could not read it.
    for method in ("GET", "POST", "PUT"):
        reply = gateway.client.request(method, url, headers={"origin": ORIGIN})
        assert reply.headers["access-control-allow-origin"] == ORIGIN
        exposed = reply.headers["access-control-expose-headers"]
        assert exposed.split(", ") == EXPOSED


@pytest.mark.parametrize("url", CORS_URLS)
def test_another_origin_may_not(gateway: Gateway, url: str) -> None:
    asks = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    preflight = gateway.client.options(url, headers=asks)
    assert preflight.status_code == 405
    reply = gateway.client.get("/show", headers=asks)
    for headers in (preflight.headers, reply.headers):
        assert not [name for name in headers if name.startswith("access-control-")]
