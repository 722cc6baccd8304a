"""A common implementation with grpc.aio and redis.asyncio, on the modules of levelgate.

It keeps what it reads from the store for a second. Arguments: PORT and the store's address.
"""

import asyncio
import json
import sys
from typing import Any

import grpc
import redis.asyncio

from bench.peers.cache import cached
from levelgate.upbot.v1.upbot_checks_pb2 import (
    CheckResult,
    CheckUserXYLevelRequest,
    CheckUserXYLevelResponse,
)
from services.access.secrets import digest
from services.store import keys
from services.user_state.record import unpack


class Ordinary:
    """Checks the token, the parameters and the level, one after the other."""

    def __init__(self, store: redis.asyncio.Redis) -> None:
        self._get = cached(store.get)
        self._buckets = keys.Buckets()

    async def check(
        self, request: CheckUserXYLevelRequest, context: Any
    ) -> CheckUserXYLevelResponse:
        metadata = dict(context.invocation_metadata() or ())
        granted = await self._get(keys.token(digest(str(metadata.get("authorization", "")))))
        if granted is None or "upbot:check" not in json.loads(granted)["scope"].split():
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "unauthenticated")
        if not 1 <= len(request.openid) <= 128 or not 1 <= len(request.level) <= 1_000:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "openid or levels")
        packed = await self._get(self._buckets.of(request.openid).record(request.openid))
        ok = packed is not None and unpack(packed).level in request.level
        return CheckUserXYLevelResponse(data=CheckResult(ok=ok))


async def main(port: str, address: str) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    store = redis.asyncio.Redis.from_url(address, protocol=3)
    handler: Any = grpc.unary_unary_rpc_method_handler(
        Ordinary(store).check,
        CheckUserXYLevelRequest.FromString,
        CheckUserXYLevelResponse.SerializeToString,
    )
    service = "levelgate.upbot.v1.UpbotChecks"
    handlers = grpc.method_handlers_generic_handler(service, {"CheckUserXYLevel": handler})
    server.add_generic_rpc_handlers((handlers,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
