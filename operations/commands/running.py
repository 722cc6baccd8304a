"""The `make run` of this directory while it runs, and its store."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from pydantic import SecretStr

from services.runtime.settings import load
from services.store.client import why_unavailable
from services.store.settings import StoreSettings

NOT_RUNNING = "no `make run` is running in this directory: start it, or set"


def running_stack() -> Mapping[str, Any]:
    """The content of its stack.json; empty if none is running."""
    directory = Path(os.environ.get("STACK_DIRECTORY") or ".run")
    try:
        summary = json.loads((directory / "stack.json").read_text())
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}


def store_settings() -> StoreSettings:
    """The usual settings, but without REDIS_URL the store of a running `make run`."""
    settings, running = load(StoreSettings), running_stack().get("redis")
    if os.environ.get("REDIS_URL") or not isinstance(running, str):
        return settings
    return settings.model_copy(update={"url": SecretStr(running)})


def no_store(settings: StoreSettings, error: redis.RedisError) -> str:
    """Says which store is unavailable and what to do, without its user and password."""
    parts = urlsplit(settings.address)
    where = f"{parts.hostname}:{parts.port or 6379}"
    if os.environ.get("REDIS_URL"):
        hint = "its address is in REDIS_URL"
    elif running_stack():
        hint = "it belongs to the `make run` in this directory"
    else:
        hint = f"{NOT_RUNNING} REDIS_URL"
    return f"no store at {where}: {why_unavailable(error)}; {hint}"
