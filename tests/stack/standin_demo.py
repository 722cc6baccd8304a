"""Stands in for operations/commands/demo.py: loads nothing."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Demo:
    appid: str
    app_secret: str
    token: str
    member_token: str


def prepare(redis_url: str) -> Demo:
    if os.environ.get("DEMO_FAILS"):
        raise RuntimeError(f"no room in {redis_url.partition(':')[0]}")
    return Demo("demo", "a-secret", "a-token", "a-member-token")
