"""One call inside Envoy, with events as pyvoy sends them."""

import asyncio
from collections.abc import Mapping
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from services.runtime.call import CallContext
from services.runtime.envoy_server.built_in import BuiltIn
from services.runtime.envoy_server.exchange import Exchange
from services.runtime.envoy_server.wire import framed
from services.runtime.methods import Kind, Methods
from services.runtime.pipeline import _why_ended

SECONDS = 0.3


def test_an_open_call_checks_with_growing_pauses_whether_its_caller_has_left() -> None:
    asked = 0
    has_left = False

    async def receive() -> Mapping[str, Any]:
        nonlocal asked
        asked += 1
        if asked == 1:
            return {"type": "http.request", "body": framed(b"message"), "more_body": False}
        # pyvoy returns immediately, although nothing has happened.
        return {"type": "http.disconnect" if has_left else "http.request"}

    async def send(_event: Mapping[str, Any]) -> None:
        raise AssertionError("nothing is sent")

    async def call() -> None:
        nonlocal has_left
        exchange = Exchange({"headers": [], "path": "/x"}, receive, send, most=1_000)
        assert await exchange.only_message() == b"message"
        await asyncio.sleep(SECONDS)
        assert 3 <= asked <= 12
        assert exchange.context.is_active()
        has_left = True
        async with asyncio.timeout(10):
            while exchange.context.is_active():
                await asyncio.sleep(0.01)

    asyncio.run(call())


def test_a_watch_of_health_whose_deadline_has_passed_ends() -> None:
    methods, servicer = Methods(), HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, methods.as_server())
    # Nothing is refused, so no pipeline is needed.
    built_in = BuiltIn(methods.of(Kind.BUILT_IN), None, [])  # type: ignore[arg-type]
    sent = []

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": framed(b""), "more_body": False}

    async def send(event: Mapping[str, Any]) -> None:
        sent.append(event["type"])

    async def call() -> None:
        scope = {"headers": [(b"grpc-timeout", b"0m")], "path": "/grpc.health.v1.Health/Watch"}
        exchange = Exchange(scope, receive, send, most=1_000)
        exchange.context.end()
        await asyncio.wait_for(built_in.answer(exchange), 5)
        exchange.close()

    asyncio.run(call())
    assert sent


def test_a_call_that_ends_just_before_its_deadline_was_not_cancelled() -> None:
    for seconds_left, code in (
        (0.001, "DEADLINE_EXCEEDED"),
        (0.0, "DEADLINE_EXCEEDED"),
        (9.0, "CANCELLED"),
    ):
        context = CallContext(seconds_left)
        context.end()
        assert _why_ended(context).code.name == code, seconds_left
