"""/healthz, and calls of a service without a healthy instance."""

import grpc
import pytest

from services.suite import SUITE
from tests.gateway.families import BUSY, FAMILIES, answered, none_failure
from tests.gateway.refusals import list_rules, watch_levels
from tests.gateway.running import Gateway, channel_to, wait_until
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
    impatient: Gateway, upstream: Upstream, name: str
) -> None:
    families = [family for family in FAMILIES if family.service == name]

    def healthz() -> tuple[int, str]:
        return answered(impatient.client.get("/healthz"))

    upstream.set_healthy(name, False)
    try:
        wait_until(lambda: healthz()[0] == 503, f"{name} is missed")
        assert healthz() == (503, none_failure(503, BUSY))
        for family in families:
            assert answered(family.call(impatient)) == (503, family.failure(1000, BUSY))
        if name == "member_level":
            with channel_to(impatient) as channel:
                for call in (list_rules, watch_levels):
                    assert call(channel) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
    finally:
        upstream.set_healthy(name, True)
        # The result of /healthz changes a moment before all of Envoy's threads know it.
        for family in families:
            wait_until(lambda f=family: f.call(impatient).status_code == 200, f"{name} is back")  # type: ignore[misc]
        wait_until(lambda: healthz()[0] == 200, f"{name} is back")
