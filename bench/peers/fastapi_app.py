"""What a Python developer would write instead: FastAPI, pydantic and redis.asyncio.

uvicorn runs it with uvloop and httptools. REDIS_URL names the store. `make` keeps what it reads for
a second; `make_without_cache` reads the store for each request.
"""

import json
import os
from typing import Annotated

import redis.asyncio
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

from bench.peers.cache import Read, cached
from services.access.secrets import digest
from services.store import keys
from services.user_state.record import unpack


class Request(BaseModel):
    """The body of the API document."""

    openid: str = Field(min_length=1, max_length=128)
    levels: list[int] = Field(min_length=1, max_length=1_000)


class Result(BaseModel):
    ok: bool


class Reply(BaseModel):
    ret: int = 0
    msg: str = ""
    data: Result


def make() -> FastAPI:
    return _app(cached(_store().get))


def make_without_cache() -> FastAPI:
    return _app(_store().get)


def _store() -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], protocol=3)


def _app(get: Read) -> FastAPI:
    buckets = keys.Buckets()

    async def check(request: Request, authorization: Annotated[str, Header()]) -> Reply:
        granted = await get(keys.token(digest(authorization)))
        if granted is None or "upbot:check" not in json.loads(granted)["scope"].split():
            raise HTTPException(401)
        packed = await get(buckets.of(request.openid).record(request.openid))
        ok = packed is not None and unpack(packed).level in request.levels
        return Reply(data=Result(ok=ok))

    app = FastAPI(openapi_url=None)
    app.add_api_route("/upbot/api/CheckUserXYLevel", check, methods=["POST"])
    return app
