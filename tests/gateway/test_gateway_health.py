"""/healthz, and calls of a service without a healthy instance."""

import grpc
import pytest

from services.suite import SUITE
from tests.gateway.families import BUSY, FAMILIES, answered, none_failure
from tests.gateway.running import Gateway, wait_until
from tests.gateway.upstream import Upstream


@pytest.mark.parametrize("url", ["/healthz", "/healthz?from=balancer"])
def test_healthz_says_ok(gateway: Gateway, url: str) -> None:
    assert answered(gateway.client.get(url)) == (200, '{"code":0,"msg":"ok"}')
    assert gateway.client.head(url).status_code == 200


def test_a_grpc_call_to_healthz_is_refused_as_on_any_unknown_path(gateway: Gateway) -> None:
    """The page answered it with HTTP 500, because Envoy turned its "200" into a gRPC status."""
    headers = {"content-type": "application/grpc"}
    replies = [gateway.client.post(path, headers=headers) for path in ("/healthz", "/nowhere")]
    invalid = str(grpc.StatusCode.INVALID_ARGUMENT.value[0])
    assert {(reply.status_code, reply.headers["grpc-status"]) for reply in replies} == {
        (200, invalid)
    }


@pytest.mark.parametrize("name", [service.name for service in SUITE])
def test_without_a_healthy_instance_of_a_service_healthz_and_calls_of_it_fail_at_once(
    gateway: Gateway, upstream: Upstream, name: str
) -> None:
    families = [family for family in FAMILIES if family.service == name]
    upstream.set_healthy(name, False)
    try:
        wait_until(lambda: gateway.client.get("/healthz").status_code == 503, f"{name} is missed")
        assert answered(gateway.client.get("/healthz")) == (503, none_failure(503, BUSY))
        for family in families:
            assert answered(family.call(gateway)) == (503, family.failure(1000, BUSY))
    finally:
        upstream.set_healthy(name, True)
        # The result of /healthz changes a moment before all of Envoy's threads know it.
        for family in families:
            wait_until(lambda f=family: f.call(gateway).status_code == 200, f"{name} is back")  # type: ignore[misc]
        wait_until(lambda: gateway.client.get("/healthz").status_code == 200, f"{name} is back")
